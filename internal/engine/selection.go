package engine

import (
	"path"
	"strconv"
	"strings"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/identity/container"
)

// Selection says which accounts get rows. Each list that is not empty must have one that fits: names of one list are alternatives,
// the lists are conditions. Names may be patterns as path.Match has them.
type Selection struct {
	Comms      []string // a command's name; of a pattern or name longer than the kernel keeps (15 bytes) the first 15 count
	Users      []string // a user's name or id
	Cgroups    []string // a path: it and those below it
	Containers []string // a name, or an id or the first 12 of its 64 digits or more
	Pods       []string // a name, NAMESPACE/NAME, or the uid
	Units      []string // a systemd unit; without a suffix a .service
	Jobs       []string // a Slurm job's id, or JOB.STEP
}

// Empty tells that everything is selected.
func (s *Selection) Empty() bool {
	return len(s.Comms)+len(s.Users)+len(s.Cgroups)+len(s.Containers)+len(s.Pods)+len(s.Units)+len(s.Jobs) == 0
}

// Check refuses patterns that cannot be read.
func (s *Selection) Check() error {
	for name, list := range map[string][]string{
		"comm": s.Comms, "user": s.Users, "cgroup": s.Cgroups, "container": s.Containers, "pod": s.Pods, "unit": s.Units, "job": s.Jobs,
	} {
		for _, p := range list {
			if _, err := path.Match(p, ""); err != nil || p == "" {
				return &ConfigError{"--" + name + " " + strconv.Quote(p) + ": cannot read the pattern: a name, or one with * ? [a-z]"}
			}
		}
	}
	return nil
}

// checkUsers refuses names that nobody has here.
func (s *Selection) checkUsers(users *identity.Users) error {
	for _, p := range s.Users {
		if _, err := strconv.ParseUint(p, 10, 32); err != nil && !strings.ContainsAny(p, `*?[\`) && !users.Has(p) {
			return &ConfigError{"--user " + strconv.Quote(p) + ": no such user in /etc/passwd; give the id of one that a directory service knows"}
		}
	}
	return nil
}

// commMax is how much of a name the kernel keeps: TASK_COMM_LEN less the NUL.
const commMax = 15

func (e *Engine) selects(u *bpf.Usage) bool {
	if !isProcess(u) && (u.TID != reservedID || len(e.cfg.Select.Comms)+len(e.cfg.Select.Users) > 0) {
		return false
	}
	if e.cfg.Selected && u.Root == 0 && !e.within(u) {
		return false
	}
	s := &e.cfg.Select
	if s.Empty() {
		return true
	}
	if !oneOf(s.Comms, func(p string) bool { return fitsComm(p, u.Comm) }) {
		return false
	}
	if len(s.Users) > 0 {
		id, name := strconv.FormatUint(uint64(u.UID), 10), e.parts.Users.Name(u.UID)
		if u.Kernel || !oneOf(s.Users, func(p string) bool { return p == id || matches(p, name) }) {
			return false
		}
	}
	if len(s.Cgroups)+len(s.Containers)+len(s.Pods)+len(s.Units)+len(s.Jobs) == 0 {
		return true
	}
	cg := e.parts.Cgroups.Of(u.Cgroup)
	t := &cg.Tenant
	return oneOf(s.Cgroups, func(p string) bool { return below(cg.Path, p) }) &&
		oneOf(s.Units, func(p string) bool { return t.Unit != "" && (matches(p, t.Unit) || matches(p+".service", t.Unit)) }) &&
		oneOf(s.Jobs, func(p string) bool { return t.Job != "" && (matches(p, t.Job) || matches(p, t.Job+"."+t.Step)) }) &&
		e.selectsContainer(t)
}

// within tells whether an account is in the cgroup that was made for a command.
func (e *Engine) within(u *bpf.Usage) bool {
	return e.cfg.Within != 0 && (u.Cgroup == e.cfg.Within ||
		strings.HasPrefix(e.parts.Cgroups.Of(u.Cgroup).Path, e.parts.Cgroups.Of(e.cfg.Within).Path+"/"))
}

// shortID is how many digits of an id container tools show, of fullID; fewer could be meant for a name.
const shortID, fullID = 12, 64

func (e *Engine) selectsContainer(t *identity.Tenant) bool {
	s := &e.cfg.Select
	if len(s.Containers)+len(s.Pods) == 0 {
		return true
	}
	info := e.info(t)
	return oneOf(s.Containers, func(p string) bool {
		return t.Container != "" && (len(p) >= shortID && len(t.Container) == fullID && strings.HasPrefix(t.Container, p) || info.Name != "" && matches(p, info.Name) || matches(p, t.Container))
	}) && oneOf(s.Pods, func(p string) bool {
		return t.PodUID != "" && (p == t.PodUID || info.Pod != "" && (matches(p, info.Pod) || matches(p, info.Namespace+"/"+info.Pod)))
	})
}

// info is what is known of a container's names by now; it has them looked for.
func (e *Engine) info(t *identity.Tenant) container.Info {
	if e.parts.Containers == nil || t.Container == "" && t.PodUID == "" {
		return container.Info{}
	}
	k := keyOfTenant(t)
	info, ok := e.parts.Containers.Get(k)
	if !ok {
		e.parts.Containers.Ask(k)
	}
	return info
}

func keyOfTenant(t *identity.Tenant) container.Key {
	return container.Key{Runtime: t.Runtime, ID: t.Container, PodUID: t.PodUID}
}

func oneOf(patterns []string, fits func(string) bool) bool {
	for _, p := range patterns {
		if fits(p) {
			return true
		}
	}
	return len(patterns) == 0
}

// fitsComm cuts the pattern too where the kernel may have cut the name.
func fitsComm(pattern, comm string) bool {
	return matches(pattern, comm) || len(pattern) > commMax && len(comm) == commMax && matches(pattern[:commMax], comm)
}

func matches(pattern, name string) bool {
	if pattern == name {
		return true
	}
	ok, _ := path.Match(pattern, name) // patterns were checked
	return ok
}

// below tells whether a cgroup is the one that was asked for, or below it. A pattern's elements are compared one by one.
func below(cgroup, asked string) bool {
	asked = "/" + strings.Trim(asked, "/")
	if asked == "/" {
		return true
	}
	n := strings.Count(asked, "/")
	end := 0
	for range n {
		i := strings.IndexByte(cgroup[end+1:], '/')
		if i < 0 {
			end = len(cgroup)
			break
		}
		end += 1 + i
	}
	return matches(asked, cgroup[:end])
}
