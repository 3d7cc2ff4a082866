// Package testdocker runs a private Docker daemon for tests: Debian's dockerd with its own containerd, all below a temporary directory,
// without networks. Only tests import it.
package testdocker

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// limit is when a step of the daemon counts as hung.
const limit = 30 * time.Second

// Daemon is a running dockerd. Its methods fail the test on any error. Docker's files are in var/lib/docker of its Root.
type Daemon struct {
	*Place
	Socket string // run/docker.sock of Root
	Parent string // the containers' cgroup by default, in all hierarchies: "docker" in that of the Place

	cmd  *exec.Cmd
	done chan struct{} // closed when dockerd has ended
}

// Start starts a daemon and stops it at the end of the test, with its containers, mounts and cgroups. The test skips without dockerd or
// root.
func Start(t testing.TB) *Daemon {
	t.Helper()
	if testing.Short() {
		t.Skip("short: no daemon is started")
	}
	if os.Geteuid() != 0 {
		t.Skip("need docker: its daemon takes root")
	}
	for _, program := range []string{"dockerd", "containerd", "runc"} {
		if _, err := Find(program); err != nil {
			t.Skip("need docker: ", err)
		}
	}
	dockerd, _ := Find("dockerd")
	p := NewPlace(t)
	d := &Daemon{Place: p, Socket: filepath.Join(p.Root, "run/docker.sock"), Parent: p.Group + "/docker", done: make(chan struct{})}
	d.Own(d.Parent)
	config := filepath.Join(p.Root, "daemon.json") // the machine's own is not for this one
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(p.Root, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d.cmd = exec.Command(dockerd, "--data-root", filepath.Join(p.Root, "var/lib/docker"), "--exec-root", filepath.Join(p.Root, "run/docker"),
		"--pidfile", filepath.Join(p.Root, "pid"), "--host", "unix://"+d.Socket, "--config-file", config,
		"--cgroup-parent", d.Parent, "--exec-opt", "native.cgroupdriver=cgroupfs", "--bridge=none", "--iptables=false", "--ip6tables=false",
		"--shutdown-timeout=1")
	// dockerd finds containerd and runc by PATH. With Pdeathsig it does not outlive a test that is killed.
	d.cmd.Env = append(os.Environ(), "PATH="+path(), "DOCKER_HOST=")
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	t.Cleanup(d.stop)
	if err := d.start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		_, err := d.call("GET", "/_ping", "", nil)
		if err == nil {
			return d
		}
		select {
		case <-d.done:
			t.Fatalf("dockerd ended: %s", d.log())
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("dockerd does not answer: %v\n%s", err, d.log())
		}
	}
}

// start runs dockerd in a thread that stays: the kernel sends the signal for a dead parent when the thread ends that started it.
func (d *Daemon) start() error {
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer close(d.done)
		err := d.cmd.Start()
		failed <- err
		if err == nil {
			_ = d.cmd.Wait() // its log says more
		}
	}()
	return <-failed
}

// stop ends the daemon and its containers.
func (d *Daemon) stop() {
	if b, err := d.call("GET", "/containers/json?all=1", "", nil); err == nil {
		var all []struct{ ID string }
		if err := json.Unmarshal(b, &all); err != nil {
			d.t.Error(err)
		}
		for _, c := range all {
			// One that removes itself may do so right now.
			_, _ = d.call("DELETE", "/containers/"+c.ID+"?force=1", "", nil)
		}
	}
	if d.cmd.Process == nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(limit):
		d.t.Errorf("dockerd did not end: %s", d.log())
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

// path has the directories where Debian installs daemons, which users' PATH may lack.
func path() string { return "/usr/sbin:/usr/bin:/sbin:/bin:" + os.Getenv("PATH") }

// Find looks for a program in PATH and there.
func Find(program string) (string, error) {
	for _, dir := range filepath.SplitList(path()) {
		p := filepath.Join(dir, program)
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("no %s: %w", program, exec.ErrNotFound)
}

func (d *Daemon) log() string {
	b, _ := os.ReadFile(filepath.Join(d.Root, "log"))
	if n := len(b); n > 4096 {
		b = b[n-4096:]
	}
	return string(b)
}
