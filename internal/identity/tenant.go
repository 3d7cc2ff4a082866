package identity

import "strings"

// Tenant is who a cgroup belongs to, as far as its path tells. Empty fields: not so. Every field is printable ASCII.
//
// Each field tells the innermost of its kind: of containers in containers the innermost (a Kubernetes pod in a node that is itself a
// container of Docker: the pod's), of pods the innermost that holds the container, so a container of a Docker that runs in a pod is
// still the pod's. Only Owner and Job tell the outermost, for it is that one which the processes below cannot choose.
//
// The path is what the processes' cgroup is called, not proof of who called it so. Whoever may make cgroups below some point (a user
// below user@UID.service, a container in its own subtree) may name one there like a runtime's, docker-ID.scope, and then it cannot be
// told from rootless Docker's and is labelled likewise. Owner cannot be had that way, nor can the Job of the machine's own Slurm.
type Tenant struct {
	// Runtime is what made the container: docker, buildkit, containerd (nerdctl too), crio, podman, lxc (LXD and Incus too), libvirt-lxc,
	// nspawn, garden, mesos, ecs, nomad. It is empty where only ids are known, as below the pods of a kubelet with the cgroupfs driver.
	Runtime string
	// Container is the container's id: 64 hexadecimal digits, BuildKit's 25 characters, a Garden handle, Nomad's ALLOCATION.TASK, or, of
	// LXC and systemd-nspawn, its name without escapes. The runtimes' monitors that have cgroups of their own (crio-conmon-ID.scope,
	// libpod-conmon-ID.scope, lxc.monitor.NAME) are not the container.
	Container string
	// PodUID is that of Kubernetes, with dashes as the API has it. A static pod's is a hash of 32 digits.
	PodUID string
	// QoS is the pod's class: guaranteed, burstable or besteffort.
	QoS string
	// Unit is the systemd unit as systemctl takes it, with its escapes: nginx.service, session-3.scope. It is the first below the slices,
	// as systemd has it (cg_path_get_unit in src/basic/cgroup-util.c): what a service makes in its own subtree is the service's. A
	// container's scope is a unit. Where the container has a systemd of its own, this is what that calls the unit, so it is unique only
	// together with Container. Of OpenRC: openrc.SERVICE, its cgroup's name.
	Unit string
	// UserUnit: Unit is of a user's manager, below user@UID.service.
	UserUnit bool
	// Slice is the innermost slice above Unit: system.slice, user-1000.slice, app.slice.
	Slice string
	// Session is logind's id, of session-ID.scope.
	Session string
	// Owner is the uid of user-UID.slice, user@UID.service or Slurm's uid_UID; -1: none. It is of the machine: uids in a container are
	// not told, they may be mapped.
	Owner int64
	// Job and Step are Slurm's: 123 and 0, batch, extern or interactive.
	Job  string
	Step string
}

// tenantPathMax bounds what is looked at: it is the kernel's PATH_MAX, more than a path has that it gives out.
const tenantPathMax = 4096

// ParseTenant tells the tenant of a cgroup from its path below the hierarchy's root, of version 1 or 2.
func ParseTenant(path string) Tenant {
	path = strings.TrimSuffix(path, " (deleted)") // /proc/PID/cgroup, of a cgroup that was removed
	if len(path) > tenantPathMax {
		path = path[:tenantPathMax]
		path = path[:strings.LastIndexByte(path, '/')+1] // no name that is cut short
	}
	w := tenantWalk{t: Tenant{Owner: -1}, units: true}
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, "/")
		switch name {
		case "":
		case "..": // from inside of a cgroup namespace: what is above of it is not named
			w.parent, w.pod, w.depth = "", false, w.depth+1
		default:
			w.step(name)
		}
	}
	return w.t
}

// tenantWalk goes down a path.
type tenantWalk struct {
	t         Tenant
	parent    string // the name before
	depth     int    // names since the root, or since the container
	contained bool   // in a container
	units     bool   // no unit yet: the next name may be one
	user      bool   // among the units of a user's manager
	ecs       bool   // below ecs, its agent's root
	pod       bool   // parent is a pod
	slurm     slurmLevel
}

// step takes the next name.
func (w *tenantWalk) step(name string) {
	if w.contained && w.depth == 0 && isPayloadDir(name) || isGardenRoot(w.parent) && isGardenShare(name) {
		return
	}
	w.unit(name)
	w.slurmName(name)
	w.ecs = w.ecs || w.depth == 0 && name == "ecs"
	uid, qos, pod := podName(w.parent, name)
	if pod {
		w.t.PodUID, w.t.QoS = uid, qos
		w.t.Runtime, w.t.Container = "", "" // that was the node, which the pod is in
	}
	runtime, id := w.container(name)
	w.parent, w.pod = name, pod
	w.depth++
	if id != "" {
		w.t.Runtime, w.t.Container = runtime, id
		w.enter()
	}
}

// enter goes into a container: what is below may be of a manager of its own.
func (w *tenantWalk) enter() {
	w.contained, w.units = true, true
	w.user, w.ecs, w.pod = false, false, false
	w.depth, w.slurm = 0, slurmNone
}

// isPayloadDir tells whether a name is one that a runtime made within the container's cgroup for what runs in it: crun's,
// systemd-nspawn's, Proxmox's.
func isPayloadDir(name string) bool {
	return name == "container" || name == "payload" || name == "ns"
}

// isGardenRoot tells whether a name is what a Garden keeps containers in. It has a tag where a machine has several.
func isGardenRoot(name string) bool {
	return name == "garden" || strings.HasPrefix(name, "garden-")
}

// isGardenShare tells whether a name is one of the two that Garden keeps containers in, by whether they are within their entitlement to
// the CPU.
func isGardenShare(name string) bool {
	return name == "good" || name == "bad"
}
