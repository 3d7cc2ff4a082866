package container

import "strings"

// valid says whether the key is one that a runtime makes. A cgroup's name may be any that its maker chose, so nothing else becomes part
// of a path or a URL.
func (k Key) valid() bool {
	if k.ID == "" && k.PodUID == "" {
		return false
	}
	return (k.ID == "" || plainName(k.ID, 128)) && (k.PodUID == "" || plainName(k.PodUID, 64))
}

// plainName says whether s is a name of letters, digits, '-', '.' and '_' that begins with a letter or digit: no path but a name in one.
// containerd's identifiers are a part of these (pkg/identifiers), as are the Kubernetes' object names.
func plainName(s string, most int) bool {
	if s == "" || len(s) > most || strings.IndexByte("-._", s[0]) >= 0 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && strings.IndexByte("-._", c) < 0 {
			return false
		}
	}
	return true
}

// hexID says whether s is an id as Docker, Podman and CRI-O make them: 64 lower-case hexadecimal digits. Their APIs would take a name or
// the beginning of an id, too: a cgroup that is called like another's container must not get its name.
func hexID(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// kubeName says whether s can be the name of a pod, a namespace or a container: RFC 1123's subdomain, by its characters. "POD" is what
// the kubelet calls a sandbox.
func kubeName(s string) bool {
	return s == sandboxName || plainName(s, 253) && !strings.Contains(s, "_") && s == strings.ToLower(s)
}

const sandboxName = "POD"

// sameUID compares a pod's uid with one from a cgroup's path, where systemd's slices have '_' for '-'.
func sameUID(a, b string) bool {
	return strings.ReplaceAll(a, "_", "-") == strings.ReplaceAll(b, "_", "-")
}
