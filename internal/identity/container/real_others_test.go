package container

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/testdocker"
)

// needs returns where the programs are; all of them are optional here, Docker is what must be there.
func needs(t *testing.T, what string, programs ...string) (paths []string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("no %s here: it takes root", what)
	}
	for _, p := range programs {
		path, err := testdocker.Find(p)
		if err != nil {
			t.Skipf("no %s here: %v", what, err)
		}
		paths = append(paths, path)
	}
	return paths
}

// command runs a program to its end and returns its output's last line.
func command(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	c := exec.Command(program, args...)
	c.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin:"+os.Getenv("PATH"))
	// Not a pipe: what stays in the container keeps that open.
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	c.Stdout, c.Stderr = out, out
	err = c.Run()
	b, _ := os.ReadFile(out.Name())
	text := strings.TrimSpace(string(b))
	if err != nil {
		return text, fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, text)
	}
	return text[strings.LastIndexByte(text, '\n')+1:], nil
}

// background runs a program until the test ends.
func background(t *testing.T, program string, args ...string) {
	t.Helper()
	c := exec.Command(program, args...)
	c.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin:"+os.Getenv("PATH"))
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(10*time.Second, func() { _ = c.Process.Kill() })
		defer late.Stop()
		_ = c.Wait()
	})
}

func waitSocket(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if st, err := os.Stat(path); err == nil && st.Mode()&os.ModeSocket != 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no %s", path)
		}
	}
}

func TestRealContainerd(t *testing.T) {
	programs := needs(t, "containerd", "containerd", "ctr", "runc")
	load := testdocker.Load(t)
	p := testdocker.NewPlace(t)
	socket := filepath.Join(p.Root, "run/c.sock")
	config := filepath.Join(p.Root, "config.toml")
	text := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"+
		"[grpc]\naddress = %q\n[ttrpc]\naddress = %q\n", p.Root+"/var/lib/containerd", p.Root+"/run/containerd", socket, socket+".ttrpc")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	background(t, programs[0], "--config", config, "--log-level", "error")
	waitSocket(t, socket)
	rootfs := filepath.Join(p.Root, "rootfs")
	if err := os.Mkdir(rootfs, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(load, filepath.Join(rootfs, "load")); err != nil {
		t.Fatal(err)
	}
	ctr := func(args ...string) error {
		_, err := command(t, programs[1], append([]string{"--address", socket, "--namespace"}, args...)...)
		return err
	}
	run := func(namespace, id string, options ...string) {
		t.Helper()
		p.Own(p.Group + "/" + namespace)
		args := append([]string{namespace, "run", "--detach", "--rootfs", "--runc-root", p.Root + "/run/runc", "--fifo-dir", p.Root + "/run/fifo",
			"--cgroup", p.Group + "/" + namespace + "/" + id}, options...)
		begin := time.Now()
		if err := ctr(append(args, rootfs, id, "/load", "sleep", "1m")...); err != nil {
			t.Fatal(err)
		}
		t.Logf("container started in %v", time.Since(begin).Round(time.Millisecond))
		t.Cleanup(func() {
			if err := ctr(namespace, "task", "rm", "--force", id); err != nil {
				t.Error(err)
			}
			_ = ctr(namespace, "container", "rm", id)
		})
	}
	run("k8s.io", id("a"), "--annotation", "io.kubernetes.cri.sandbox-name=web-0", "--annotation", "io.kubernetes.cri.sandbox-namespace=shop",
		"--annotation", "io.kubernetes.cri.sandbox-uid="+podUID, "--annotation", "io.kubernetes.cri.container-name=app",
		"--annotation", "io.kubernetes.cri.image-name=example/web:1")
	run("default", id("b"), "--label", "nerdctl/name=cache")

	r := newResolver(t, Options{Root: p.Root, Sockets: noSockets})
	const source = "containerd /run/containerd/io.containerd.runtime.v2.task"
	in, _ := ask(t, r, Key{"", id("a"), podUID})
	checkReal(t, in, "", "example/web:1", source)
	if in.Namespace != "shop" || in.Pod != "web-0" || in.PodContainer != "app" {
		t.Errorf("pod %+v", in)
	}
	in, _ = ask(t, r, Key{"containerd", id("b"), ""})
	checkReal(t, in, "cache", "", source)
	if p := r.Problems(); len(p) > 0 {
		t.Errorf("problems %q", p)
	}
}

func TestRealPodman(t *testing.T) {
	programs := needs(t, "podman", "podman", "conmon", "runc")
	load := testdocker.Load(t)
	p := testdocker.NewPlace(t)
	storage, state := p.Root+"/var/lib/containers/storage", p.Root+"/run/containers/storage"
	podman := func(args ...string) (string, error) {
		return command(t, programs[0], append([]string{"--root", storage, "--runroot", state, "--tmpdir", p.Root + "/run/libpod",
			"--storage-driver", "overlay", "--runtime", programs[2], "--cgroup-manager", "cgroupfs", "--events-backend", "file"}, args...)...)
	}
	image := filepath.Join(p.Root, "image.tar")
	if out, err := exec.Command("tar", "-C", filepath.Dir(load), "-cf", image, "load").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const cache = "/var/lib/containers/cache" // which no option moves
	if _, err := os.Stat(cache); err != nil {
		t.Cleanup(func() { os.RemoveAll(cache) })
	}
	if _, err := podman("import", image, "localhost/eco2-test:1"); err != nil {
		t.Skip("no podman here that works: ", err)
	}
	t.Cleanup(func() { _, _ = podman("rm", "--force", "--all", "--time", "0") })
	p.Own(p.Group + "/conmon") // which Podman makes for its monitors
	run := func(name string, options ...string) string {
		t.Helper()
		// The limits are low enough for a machine whose root may not raise them.
		args := append([]string{"run", "--detach", "--name", name, "--network", "none", "--cgroup-parent", p.Group, "--label", "team=blue",
			"--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000"}, options...)
		begin := time.Now()
		id, err := podman(append(args, "localhost/eco2-test:1", "/load", "sleep", "1m")...)
		if err != nil {
			t.Skip("no podman here that works: ", err)
		}
		t.Logf("container started in %v", time.Since(begin).Round(time.Millisecond))
		return id
	}
	stays, once := run("stays"), run("once", "--rm")

	files := newResolver(t, Options{Root: p.Root, Sockets: noSockets})
	for id, name := range map[string]string{stays: "stays", once: "once"} {
		in, _ := ask(t, files, Key{"podman", id, ""})
		if in.Name != name || in.Image != "localhost/eco2-test:1" || !strings.HasPrefix(in.Source, "podman /") {
			t.Errorf("%s by files: %+v", name, in)
		}
	}

	socket := filepath.Join(p.Root, "run/p.sock")
	background(t, programs[0], "--root", storage, "--runroot", state, "--tmpdir", p.Root+"/run/libpod", "--storage-driver", "overlay",
		"--runtime", programs[2], "--cgroup-manager", "cgroupfs", "--events-backend", "file", "system", "service", "--time", "60", "unix://"+socket)
	waitSocket(t, socket)
	r := newResolver(t, Options{Root: p.Root, Sockets: []string{socket}})
	in, _ := ask(t, r, Key{"podman", stays, ""})
	checkReal(t, in, "stays", "localhost/eco2-test:1", "API "+socket)
	if in.Labels["team"] != "blue" {
		t.Errorf("labels %v", in.Labels)
	}
	if p := append(files.Problems(), r.Problems()...); len(p) > 0 {
		t.Errorf("problems %q", p)
	}
}
