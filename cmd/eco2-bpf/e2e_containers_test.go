package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/testdocker"
)

// usageAt follows a counter in the background, to tell its value at any time between two readings.
type usageAt struct {
	stop chan struct{}
	done chan struct{}
	at   []time.Time
	cpu  []float64
}

func followUsage(file string) *usageAt {
	u := &usageAt{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(u.done)
		for {
			if b, err := os.ReadFile(file); err == nil {
				if ns, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64); err == nil {
					u.at, u.cpu = append(u.at, time.Now()), append(u.cpu, ns/1e9)
				}
			}
			select {
			case <-u.stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return u
}

func (u *usageAt) value(t time.Time) float64 {
	for i := 1; i < len(u.at); i++ {
		if !u.at[i].Before(t) {
			part := float64(t.Sub(u.at[i-1])) / float64(u.at[i].Sub(u.at[i-1]))
			return u.cpu[i-1] + max(0, part)*(u.cpu[i]-u.cpu[i-1])
		}
	}
	return u.cpu[len(u.cpu)-1]
}

// Containers of a real Docker daemon: names, images and labels, one that lives for a moment, selection by name, and CPU time against the
// cgroup's own.
func TestDockerContainers(t *testing.T) {
	e2eNeedKernel(t)
	cg, err := host.ReadCgroups("/proc")
	if err != nil {
		t.Fatal(err)
	}
	d := testdocker.Start(t)
	d.Import("eco2-test:1", map[string]string{"/load": testdocker.Load(t)})
	t.Setenv("DOCKER_HOST", "unix://"+d.Socket)
	spin := func(name, how string, rm bool) string {
		return d.Run(testdocker.Spec{
			Image: "eco2-test:1", Name: name, Command: []string{"/load", "spin", how}, AutoRemove: rm,
			Labels: map[string]string{"team": name + "s", "evil": "\x1b[2J<b>"},
		})
	}
	web := spin("web", "60s", false)
	attach := eco2(t, "attach", "--by", "container", "-o", "json", "-i", "500ms")
	lines := startLines(t, attach)
	all := []string{<-lines}
	var truth *usageAt
	if cg.V1 {
		truth = followUsage(filepath.Join(cg.CPUAcct, d.Parent, web, "cpuacct.usage"))
	}
	brief := spin("brief", "100ms", true)
	eventually(t, "the brief container", func() error {
		if d.Exists(brief) {
			return fmt.Errorf("is still there")
		}
		return nil
	})
	time.Sleep(2 * time.Second)
	_ = attach.Process.Signal(unix.SIGINT)
	for line := range lines {
		all = append(all, line)
	}
	reports := jsonLines(t, strings.Join(all, ""))
	total := reports[len(reports)-1]
	for name, id := range map[string]string{"web": web, "brief": brief} {
		r := total.row(func(r *wireRow) bool { return r.Group == id })
		if r == nil || r.Container == nil {
			t.Errorf("no row of %s", name)
			continue
		}
		c := r.Container
		if c.ID != id || c.Name != name || c.Runtime != "docker" || c.Image != "eco2-test:1" || c.Labels["team"] != name+"s" || c.Labels["evil"] != "\x1b[2J<b>" {
			t.Errorf("%s is told of as %+v", name, *c)
		}
	}
	if truth != nil {
		close(truth.stop)
		<-truth.done
		var got, want float64
		for _, w := range reports[1 : len(reports)-2] { // not the last window: its end is not the truth's
			if r := w.row(func(r *wireRow) bool { return r.Group == web }); r != nil {
				got += r.CPUSeconds
			}
			want += truth.value(w.End) - truth.value(w.Start)
		}
		t.Logf("CPU seconds of web: %.4f, its cgroup's own count %.4f: %.4f", got, want, got/want)
		if got < 0.98*want || got > 1.02*want { // edges: a tick each, and when the truth was read
			t.Errorf("CPU seconds of web: %.4f, its cgroup's own count %.4f", got, want)
		}
	}

	table := succeed(t, "attach", "--by", "container", "-d", "700ms").stdout
	if !strings.Contains(table, "\nweb ") || strings.Contains(table, "\x1b") {
		t.Errorf("no row of web: %s", table)
	}
	for _, c := range []struct{ flag, value string }{{"--container", "web"}, {"--container", web[:12]}, {"--container", "we?"}, {"--cgroup", d.Parent}} {
		one := jsonLines(t, succeed(t, "attach", c.flag, c.value, "-o", "json", "-d", "600ms").stdout)
		last := one[len(one)-1]
		var mine, others, joules float64
		for _, r := range last.Rows {
			j, _ := r.Joules.Float64()
			joules += j
			switch {
			case r.Kind == "process" && r.Container != nil && r.Container.ID == web:
				mine += r.CPUSeconds
			case r.Kind == "others":
				others++
			case r.Kind == "process" || r.Kind == "kernel":
				t.Errorf("%s %s: a row of another: %+v", c.flag, c.value, r)
			}
		}
		var energy float64
		for _, e := range last.Energy {
			j, _ := e.Joules.Float64()
			energy += j
		}
		if mine < 0.1 || others != 1 || micro(t, json.Number(fmt.Sprintf("%.6f", joules))) != micro(t, json.Number(fmt.Sprintf("%.6f", energy))) {
			t.Errorf("%s %s: %.3f s of web, %v rows of others, %.6f J in rows of %.6f J", c.flag, c.value, mine, others, joules, energy)
		}
	}
	none := jsonLines(t, succeed(t, "attach", "--container", "nobody", "-o", "json", "-d", "300ms").stdout)
	if none[len(none)-1].ProcessesSeen != 0 {
		t.Errorf("a container that is not there has %d processes", none[len(none)-1].ProcessesSeen)
	}
}

// A command in a cgroup of its own: what leaves its tree is counted all the same, and the cgroup is gone afterwards.
func TestRunInNewCgroup(t *testing.T) {
	e2eNeedKernel(t)
	marker := filepath.Join(t.TempDir(), "cgroup")
	o := succeed(t, "run", "--cgroup-new", "-o", "json", "--by", "command", "-f", marker+".json", "--", "sh", "-c",
		"cat /proc/self/cgroup > "+marker+"; setsid sh -c 'i=0; while [ $i -lt 50 ]; do /bin/true; i=$((i+1)); done'")
	b, err := os.ReadFile(marker + ".json")
	if err != nil {
		t.Fatal(err, o)
	}
	total := onlyTotal(t, string(b))
	if r := total.row(func(r *wireRow) bool { return r.Comm == "true" }); r == nil || r.Processes != 50 {
		t.Errorf("50 processes ran, the row is %+v", r)
	}
	inside, err := os.ReadFile(marker)
	if err != nil || !strings.Contains(string(inside), "eco2-bpf-") {
		t.Errorf("the command ran in %s, %v", inside, err)
	}
	cg, err := host.ReadCgroups("/proc")
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(cg.Mount, "eco2-bpf-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if code := finish(t, eco2(t, "run", "--cgroup-new", "--", "sh", "-c", "exit 7")).code; code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
}

// After attach only what the loop needs is held, by every thread; run's command keeps what its caller has.
func TestPrivilegesAreDropped(t *testing.T) {
	e2eNeedKernel(t)
	attach := eco2(t, "attach", "-o", "json", "-i", "200ms")
	lines := startLines(t, attach)
	<-lines
	tasks, err := filepath.Glob(procFile(attach.Process.Pid, "task/*/status"))
	if err != nil || len(tasks) == 0 {
		t.Fatal(err)
	}
	for _, file := range tasks {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // that thread has ended
		}
		status := map[string]string{}
		for line := range strings.Lines(string(b)) {
			k, v, _ := strings.Cut(line, ":")
			status[k] = strings.TrimSpace(v)
		}
		held, err := strconv.ParseUint(status["CapPrm"], 16, 64)
		// CAP_DAC_READ_SEARCH is 2, CAP_BPF 39: include/uapi/linux/capability.h
		if err != nil || held&^(1<<2|1<<39) != 0 || status["NoNewPrivs"] != "1" || status["Seccomp"] != "2" {
			t.Errorf("%s: CapPrm %s, NoNewPrivs %s, Seccomp %s", file, status["CapPrm"], status["NoNewPrivs"], status["Seccomp"])
		}
	}
	_ = attach.Process.Signal(unix.SIGINT)
	if code := waitCode(t, attach); code != 0 {
		t.Errorf("exit code %d", code)
	}
	own, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	got := succeed(t, "run", "-f", "/dev/null", "--", "grep", "-E", "Cap|NoNew|Seccomp:", "/proc/self/status").stdout
	for line := range strings.Lines(got) {
		if !strings.Contains(string(own), line) {
			t.Errorf("the command's %q is not its caller's", strings.TrimSpace(line))
		}
	}
}
