package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// bpfObjects lists the programs, maps and links that a process has open, as the kernel shows them in fdinfo: "prog_id 12".
func bpfObjects(t *testing.T, pid int) []string {
	t.Helper()
	fds, err := os.ReadDir(procFile(pid, "fdinfo"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, fd := range fds {
		b, err := os.ReadFile(procFile(pid, "fdinfo/"+fd.Name()))
		if err != nil {
			t.Fatal(err)
		}
		info := map[string]string{}
		for line := range strings.Lines(string(b)) {
			key, value, _ := strings.Cut(line, ":")
			info[key] = strings.TrimSpace(value)
		}
		kinds := []string{"prog_id", "map_id"}
		if info["link_id"] != "" { // a link names its program too
			kinds = []string{"link_id"}
		}
		for _, kind := range kinds {
			if info[kind] != "" {
				all = append(all, kind+" "+info[kind])
			}
		}
	}
	return all
}

// bpfObjectExists asks the kernel for an object by its id; nil: it is there.
func bpfObjectExists(object string) error {
	var kind string
	var id uint32
	if _, err := fmt.Sscan(object, &kind, &id); err != nil {
		return err
	}
	switch kind {
	case "prog_id":
		p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
		if err == nil {
			p.Close()
		}
		return err
	case "map_id":
		m, err := ebpf.NewMapFromID(ebpf.MapID(id))
		if err == nil {
			m.Close()
		}
		return err
	}
	l, err := link.NewFromID(link.ID(id))
	if err == nil {
		l.Close()
	}
	return err
}

// TestLeavesNothingBehind: however it ends, the kernel is as it was.
func TestLeavesNothingBehind(t *testing.T) {
	e2eNeedKernel(t)
	for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGINT} {
		cmd := eco2(t, "attach", "-o", "json", "-i", "100ms", "-p", fmt.Sprint(os.Getpid()))
		if line := firstLine(t, cmd); !strings.HasPrefix(line, `{"schema"`) {
			t.Fatalf("%q", line)
		}
		objects := bpfObjects(t, cmd.Process.Pid)
		count := map[string]int{}
		for _, o := range objects {
			kind, _, _ := strings.Cut(o, " ")
			count[kind]++
			if err := bpfObjectExists(o); err != nil {
				t.Errorf("%s of the living process: %v", o, err)
			}
		}
		t.Log(objects)
		if count["prog_id"] < 13 || count["map_id"] < 6 || count["link_id"] != 11 {
			t.Fatalf("the process has %v, want 13 programs, their maps, and 11 links", count)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if code := waitCode(t, cmd); sig == unix.SIGINT && code != 0 {
			t.Errorf("exit code %d", code)
		}
		for _, o := range objects {
			eventually(t, o+" after "+unix.SignalName(sig), func() error {
				if err := bpfObjectExists(o); !errors.Is(err, os.ErrNotExist) {
					return fmt.Errorf("is still there (%w)", err)
				}
				return nil
			})
		}
	}
}

// TestRunLeavesNothingToItsCommand: the command has the files open that it has without eco2-bpf.
func TestRunLeavesNothingToItsCommand(t *testing.T) {
	e2eNeedKernel(t)
	want, err := exec.Command("ls", "/proc/self/fd").Output()
	if err != nil {
		t.Fatal(err)
	}
	if o := succeed(t, "run", "ls", "/proc/self/fd"); o.stdout != string(want) {
		t.Errorf("the command has files %q open, want %q", o.stdout, want)
	}
}
