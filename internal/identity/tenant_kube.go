package identity

import "strings"

// podName takes a pod's cgroup. With the cgroupfs driver it is podUID in kubepods (guaranteed) or in kubepods/burstable and
// kubepods/besteffort; with systemd's it is kubepods-burstable-podUID.slice, after the names of the slices that the kubelet's
// --cgroup-root gives it, with the dashes of the UID as underscores (pkg/kubelet/cm/cgroup_manager_linux.go of Kubernetes).
func podName(parent, name string) (uid, qos string, ok bool) {
	if uid, ok := strings.CutPrefix(name, "pod"); ok && isPodUID(uid, '-') {
		switch parent {
		case "kubepods":
			return uid, "guaranteed", true
		case "burstable", "besteffort":
			return uid, parent, true
		}
		return "", "", false
	}
	slice, rest, ok := strings.Cut(name, ".slice")
	if !ok || rest != "" && rest[0] != ':' {
		return "", "", false
	}
	i := strings.LastIndex(slice, "-pod")
	if i < 0 || !isPodUID(slice[i+len("-pod"):], '_') {
		return "", "", false
	}
	uid = strings.ReplaceAll(slice[i+len("-pod"):], "_", "-")
	group, qos := slice[:i], "guaranteed"
	if j := strings.LastIndexByte(group, '-'); j >= 0 && (group[j+1:] == "burstable" || group[j+1:] == "besteffort") {
		group, qos = group[:j], group[j+1:]
	}
	if group != "kubepods" && !strings.HasSuffix(group, "-kubepods") {
		return "", "", false
	}
	return uid, qos, true
}

// isPodUID: what the API server makes, or the hash of a static pod's manifest.
func isPodUID(s string, between byte) bool {
	return isUUID(s, between) || len(s) == 32 && all(s, isHexDigit)
}
