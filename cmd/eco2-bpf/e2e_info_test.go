package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestHelp(t *testing.T) {
	for _, args := range []string{"help", "--help", "-h"} {
		if o := succeed(t, args); !strings.HasPrefix(o.stdout, "usage: eco2-bpf COMMAND") || o.stderr != "" {
			t.Errorf("%s: %v", args, o)
		}
	}
	for _, c := range commands() {
		o := succeed(t, c.name, "--help")
		if !strings.HasPrefix(o.stdout, "usage: eco2-bpf "+c.name) || o.stderr != "" {
			t.Errorf("%s --help: %v", c.name, o)
		}
		if !strings.Contains(succeed(t, "help").stdout, "\n  "+c.name+" ") {
			t.Errorf("help does not list %s", c.name)
		}
	}
	if o := succeed(t, "attach", "--help"); !strings.Contains(o.stdout, "--interval") || !strings.Contains(o.stdout, "--region") {
		t.Error(o)
	}
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		if o := succeed(t, arg); !regexp.MustCompile(`^eco2-bpf \S+ \(go\S+ linux/\w+\)\n$`).MatchString(o.stdout) || o.stderr != "" {
			t.Error(o)
		}
	}
	if o := succeed(t, "version", "--licenses"); !strings.Contains(o.stdout, "Ember") {
		t.Error(o)
	}
}

// TestWithoutCgo: the release binaries are static.
func TestWithoutCgo(t *testing.T) {
	e2eProgram(t)
	path := filepath.Join(t.TempDir(), "eco2-bpf")
	if err := e2eGoBuild(path, "CGO_ENABLED=0"); err != nil {
		t.Fatal(err)
	}
	cmd := eco2(t, "version")
	cmd.Path = path
	if o := finish(t, cmd); o.code != 0 || !strings.HasPrefix(o.stdout, "eco2-bpf ") {
		t.Error(o)
	}
}

func TestRegions(t *testing.T) {
	o := succeed(t, "regions", "fr")
	if !regexp.MustCompile(`(?m)^FR +France +[0-9.]+ +20[0-9]{2} `).MatchString(o.stdout) {
		t.Error(o)
	}
	if o := succeed(t, "regions"); strings.Count(o.stdout, "\n") < 150 {
		t.Error(o)
	}
}

func TestSources(t *testing.T) {
	o := succeed(t, "sources")
	for _, want := range []string{"powercap ", "estimate ", "in use:"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("does not say %q: %v", want, o)
		}
	}
	if o := succeed(t, "sources", "--source", "estimate"); !strings.Contains(o.stdout, "estimated  by estimate") {
		t.Error(o)
	}
}

// A CPU that cannot be told is estimated all the same, and the reason is said.
func TestUnknownCPUIsSaid(t *testing.T) {
	if o := succeed(t, "sources", "--procfs", t.TempDir()); !strings.Contains(o.stdout, "the CPU is not known") || !strings.Contains(o.stdout, "default TDP") {
		t.Error(o)
	}
}

func TestDoctor(t *testing.T) {
	e2eNeedKernel(t)
	o := succeed(t, "doctor")
	for _, want := range []string{"kernel", "btf", "privileges", "losses", "cgroups", "energy", "carbon"} {
		if !regexp.MustCompile(`(?m)^(ok|note) +` + want + ` `).MatchString(o.stdout) {
			t.Errorf("no finding on %s: %v", want, o)
		}
	}
	if strings.Contains(o.stdout, "BAD") || o.stderr != "" {
		t.Error(o)
	}
}

// TestUnreadableProc: entries of /proc that vanish, cannot be read or make no sense stop nothing.
func TestUnreadableProc(t *testing.T) {
	e2eNeedKernel(t)
	procfs := t.TempDir()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	link := func(name string) {
		if err := os.Symlink("/proc/"+name, filepath.Join(procfs, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range entries {
		if e.Name()[0] > '9' {
			link(e.Name())
		}
	}
	self := strconv.Itoa(os.Getpid())
	link(self)
	for _, dir := range []string{"1/status", "2", "3"} { // a status that cannot be read, one that has vanished, one of nonsense
		if err := os.MkdirAll(filepath.Join(procfs, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(procfs, "3/status"), []byte("Name:\tx\nTgid:\t\nPPid:\tx\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	busy := make(chan struct{})
	go func() { // or this process has no row
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			select {
			case <-busy:
				return
			default:
			}
		}
	}()
	defer close(busy)
	o := succeed(t, "attach", "--procfs", procfs, "-p", self, "-o", "json", "-i", "100ms", "-d", "300ms")
	all := jsonLines(t, o.stdout)
	windowsAddUp(t, all)
	if len(all) < 3 || all[len(all)-1].pid(os.Getpid()) == nil {
		t.Errorf("no row for this process: %v", o)
	}
	oneLine(t, finish(t, eco2(t, "attach", "--procfs", procfs, "-p", "1")), 1, "--pid", "1/status")
}
