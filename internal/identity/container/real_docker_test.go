package container

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/testdocker"
)

// keyOf is what the cgroup's path of a process tells.
func keyOf(t *testing.T, pid int) Key {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			in := identity.ParseTenant(path)
			return Key{in.Runtime, in.Container, in.PodUID}
		}
	}
	t.Skipf("no cgroup v2 here: %s", b)
	return Key{}
}

func TestRealDocker(t *testing.T) {
	d := testdocker.Start(t)
	load := testdocker.Load(t)
	d.Import("eco2-test:1", map[string]string{"/load": load})
	r := newResolver(t, Options{Root: d.Root, Sockets: []string{d.Socket}})

	labels := map[string]string{"team": "blue", "io.kubernetes.pod.name": "claimed"}
	stays := d.Run(testdocker.Spec{Image: "eco2-test:1", Name: "stays", Command: []string{"/load", "sleep", "1m"}, Labels: labels})
	key := keyOf(t, d.Pid(stays))
	if want := (Key{"docker", stays, ""}); key != want {
		t.Fatalf("its cgroup tells %+v, want %+v", key, want)
	}
	begin := time.Now()
	in, _ := ask(t, r, key)
	t.Logf("the API's answer took %v", time.Since(begin).Round(time.Millisecond))
	checkReal(t, in, "stays", "eco2-test:1", "API "+d.Socket)
	if in.Labels["team"] != "blue" || len(in.Labels) != 2 || in.Pod != "" {
		t.Errorf("labels %v, pod %q", in.Labels, in.Pod)
	}

	// It lives shorter than most windows, and nothing of it stays.
	ends := d.Run(testdocker.Spec{Image: "eco2-test:1", Name: "ends", Command: []string{"/load", "sleep", "100ms"}, AutoRemove: true})
	short := Key{"docker", ends, ""}
	in, _ = ask(t, r, short)
	checkReal(t, in, "ends", "eco2-test:1", "API "+d.Socket)
	for end := time.Now().Add(10 * time.Second); d.Exists(ends); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("docker run --rm did not remove it")
		}
	}
	in, _ = ask(t, r, short)
	checkReal(t, in, "ends", "eco2-test:1", "API "+d.Socket)
	if p := r.Problems(); len(p) > 0 {
		t.Errorf("problems %q", p)
	}

	// Without the API the same is in Docker's files.
	files := newResolver(t, Options{Root: d.Root, Sockets: noSockets})
	in, _ = ask(t, files, key)
	checkReal(t, in, "stays", "eco2-test:1", "docker /var/lib/docker/containers")
	if in.Labels["team"] != "blue" {
		t.Errorf("labels %v", in.Labels)
	}
	if in, ok := ask(t, files, short); ok {
		t.Errorf("a removed container: %+v", in)
	}

	// The bundles of Docker's containerd have no names, so they are not taken for containerd's own.
	if in, ok := ask(t, files, Key{"containerd", stays, ""}); ok {
		t.Errorf("as containerd's: %+v", in)
	}
}

// A container may be asked for from the moment of its cgroup on, before Docker says that it has started.
func TestRealDockerRace(t *testing.T) {
	d := testdocker.Start(t)
	load := testdocker.Load(t)
	d.Import("eco2-test:1", map[string]string{"/load": load})
	r := newResolver(t, Options{Root: d.Root, Sockets: []string{d.Socket}})
	named := make(chan string)
	go func() {
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			for _, name := range d.Cgroups() {
				k := Key{"docker", name, ""}
				r.Ask(k)
				if in, ok := r.Get(k); ok {
					named <- in.Name
					return
				}
			}
		}
		named <- ""
	}()
	id := d.Run(testdocker.Spec{Image: "eco2-test:1", Name: "quick", Command: []string{"/load", "sleep", "2s"}, AutoRemove: true})
	if got := <-named; got != "quick" {
		t.Errorf("container %s is called %q; problems %q", id, got, r.Problems())
	}
}

func checkReal(t *testing.T, in Info, name, image, source string) {
	t.Helper()
	if in.Name != name || in.Image != image || in.Source != source {
		t.Errorf("got name %q, image %q by %q, want %q, %q by %q", in.Name, in.Image, in.Source, name, image, source)
	}
}
