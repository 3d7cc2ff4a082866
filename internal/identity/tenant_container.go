package identity

import "strings"

// container tells the container that a name is of. A bare id counts only where its parent is one that a runtime uses: anybody may call
// a cgroup by 64 digits, as Docker does below a cgroup parent of its user's choice, and what made that one is not told.
func (w *tenantWalk) container(name string) (runtime, id string) {
	if runtime, id := prefixedContainer(name); id != "" {
		return runtime, id
	}
	if rest, ok := strings.CutPrefix(name, "lxc.payload."); ok && printable(rest) {
		return "lxc", rest
	}
	if machine, id := w.machine(name); id != "" {
		return machine, id
	}
	if id := strings.TrimSuffix(name, ".scope"); isNomadGroup(w.parent) && isNomadTask(id) {
		return "nomad", id
	}
	switch parent := w.parent; {
	case parent == "buildkit" && isBuildKitID(name): // its default, or below Docker's cgroup parent
		return "buildkit", name
	case (parent == "lxc" || parent == "lxc.payload") && printable(name):
		return "lxc", name
	case isGardenRoot(parent) && isGardenHandle(name):
		return "garden", name
	case parent == "mesos" && isUUID(name, '-'):
		return "mesos", name
	case w.ecs && w.depth > 1 && (isContainerID(name) || isFargateID(name)): // ecs/TASK/ID, ecs/CLUSTER/TASK/ID
		return "ecs", name
	case !isContainerID(name):
		return "", ""
	case parent == "docker" || parent == "actions_job": // the latter: the runners of GitHub Actions
		return "docker", name
	case w.depth == 1 && (parent == "default" || parent == "k8s.io" || parent == "moby"): // namespaces of containerd
		return "containerd", name
	case w.pod:
		return "", name
	}
	return "", ""
}

// prefixedContainer takes PREFIX-ID.scope, PREFIX-ID, and SLICE:PREFIX:ID, which is a path for a runtime's systemd driver that fell to
// a runtime with the cgroupfs driver.
func prefixedContainer(name string) (runtime, id string) {
	prefix, id := "", ""
	if slice, rest, ok := strings.Cut(name, ".slice:"); ok && slice != "" {
		prefix, id, _ = strings.Cut(rest, ":")
	} else {
		name = strings.TrimSuffix(name, ".scope")
		i := strings.LastIndexByte(name, '-')
		if i < 0 {
			return "", ""
		}
		prefix, id = name[:i], name[i+1:]
	}
	switch {
	case prefix == "docker" && isBuildKitID(id): // the builder in Docker's daemon, with the systemd driver
		return "buildkit", id
	case !isContainerID(id):
		return "", ""
	}
	switch prefix {
	case "docker":
		return "docker", id
	case "cri-containerd", "nerdctl":
		return "containerd", id
	case "crio":
		return "crio", id
	case "libpod", "libpod-payload": // the latter: --cgroups=split
		return "podman", id
	}
	return "", ""
}

// machine takes the units of systemd-machined's containers. Virtual machines have scopes of the same kind; those of libvirt are told by
// their names. The name is a hostname, so a dash is no slash here as it is in paths that systemd escapes.
func (w *tenantWalk) machine(name string) (runtime, id string) {
	if w.t.Unit != name {
		return "", ""
	}
	id, ok := cutBoth(name, "machine-", ".scope")
	if !ok {
		if id, ok = cutBoth(name, "systemd-nspawn@", ".service"); !ok {
			return "", ""
		}
	}
	runtime, id = "nspawn", unescape(id)
	if kind, rest, ok := strings.Cut(id, "-"); ok {
		if n, guest, ok := strings.Cut(rest, "-"); ok && all(n, isDigit) {
			switch kind {
			case "qemu", "ch":
				return "", ""
			case "lxc":
				runtime, id = "libvirt-lxc", guest
			}
		}
	}
	if !printable(id) {
		return "", ""
	}
	return runtime, id
}
