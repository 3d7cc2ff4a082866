package container

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// source is one place that may know a container.
type source struct {
	name string // for Info.Source and problems
	path string // what is there where the source is; "": a socket, which says so itself
	find func(context.Context, Key) (Info, error)
}

type sources struct {
	tree    tree
	by      map[string][]source // by runtime; "" has all
	problem func(string)
}

// newSources puts each runtime's API first, as only it has all labels, and its files next. A socket that the service manager listens on
// may start the runtime when it is asked; that is why it is not asked before one of its containers was seen.
func newSources(t tree, override []string, problem func(string)) sources {
	docker, podman, names, remote := override, override, [2]string{"API ", "API "}, false
	if override == nil {
		names = [2]string{"docker API ", "podman API "}
		docker, podman, remote = usualSockets(t.root, os.Getenv)
	}
	apis := map[string]source{}
	api := func(name string, paths []string) (list []source) {
		for _, path := range paths {
			if _, ok := apis[path]; !ok {
				apis[path] = newAPI(name+path, path).source()
			}
			list = append(list, apis[path])
		}
		return list
	}
	s := sources{tree: t, problem: problem, by: map[string][]source{
		"docker":     append(api(names[0], docker), dockerFiles(t)),
		"podman":     append(api(names[1], podman), storageLists(t)...),
		"crio":       storageBundles(t),
		"containerd": containerdBundles(t),
	}}
	if remote {
		s.by["docker"] = append(s.by["docker"], source{"DOCKER_HOST", "", func(context.Context, Key) (Info, error) { return Info{}, errRemote }})
	}
	s.by["ecs"] = s.by["docker"] // its agent runs tasks by Docker, in cgroups of its own
	// What can be read costs least, and is most likely for a runtime that the path does not tell: the kubelet's cgroupfs driver.
	for _, runtime := range []string{"containerd", "crio", "docker", "podman"} {
		for _, src := range s.by[runtime] {
			if !slices.ContainsFunc(s.by[""], func(have source) bool { return have.name == src.name }) {
				s.by[""] = append(s.by[""], src)
			}
		}
	}
	return s
}

// usualSockets are those of the system's services and of the user who runs this, or ran sudo. Another user's are not asked: they would be
// asked for everyone's containers, and could answer what they like. remote: DOCKER_HOST is none.
func usualSockets(root string, env func(string) string) (docker, podman []string, remote bool) {
	if at := env("DOCKER_HOST"); at != "" {
		if u, err := url.Parse(at); err == nil && u.Scheme == "unix" && u.Path != "" {
			docker = append(docker, u.Path)
		} else {
			remote = true
		}
	}
	below := func(p string) string { return strings.TrimSuffix(root, "/") + p }
	docker = append(docker, below("/run/docker.sock"), below("/var/run/docker.sock"))
	podman = append(podman, below("/run/podman/podman.sock"))
	for _, uid := range []string{env("SUDO_UID"), strconv.Itoa(os.Getuid())} {
		if n, err := strconv.ParseUint(uid, 10, 32); err == nil && n != 0 {
			dir := below("/run/user/" + strconv.FormatUint(n, 10))
			docker = append(docker, dir+"/docker.sock")
			podman = append(podman, dir+"/podman/podman.sock")
		}
	}
	return distinct(docker), distinct(podman), remote
}

// distinct drops a path that leads to the directory of another one, as /var/run does: each socket is to be asked once.
func distinct(paths []string) (list []string) {
	seen := map[string]bool{}
	for _, p := range paths {
		real := p
		if dir, err := filepath.EvalSymlinks(filepath.Dir(p)); err == nil {
			real = filepath.Join(dir, filepath.Base(p))
		}
		if !seen[real] {
			seen[real] = true
			list = append(list, p)
		}
	}
	return list
}

// look returns the first source's answer. Where none has one and there is none at all, it says so.
func (s sources) look(ctx context.Context, k Key) Info {
	list, here := s.by[k.Runtime], false
	for _, src := range list {
		info, err := src.find(ctx, k)
		if err == nil {
			info.Source = src.name
			info.bound()
			return info
		}
		missing := errors.Is(err, fs.ErrNotExist)
		here = here || !missing || src.path != "" && s.tree.has(src.path)
		if !missing && !errors.Is(err, errUnknown) && !errors.Is(err, errLater) && ctx.Err() == nil {
			s.problem(src.name + ": " + cause(err))
		}
	}
	if !here && len(list) > 0 && k.Runtime != "" {
		s.problem(k.Runtime + ": neither its API socket nor its files are here; its containers keep their ids")
	}
	return Info{}
}

// cause says in fixed words what went wrong: no path with an id, and nothing of what a reply said.
func cause(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "permission denied; run as root or in the group that owns it"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "no answer within " + requestLimit.String()
	case errors.Is(err, errLong):
		return errLong.Error()
	case errors.Is(err, errStatus):
		return errStatus.Error()
	case errors.Is(err, errRemote):
		return errRemote.Error()
	case errors.As(err, &errno):
		return errno.Error()
	}
	return errForm.Error()
}
