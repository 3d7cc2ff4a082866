package privilege

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A drop cannot be undone, so each is done by this test binary again, with the name of one of helpers in the environment. It prints
// a report, which the test judges.
const helperEnv = "ECO2_PRIVILEGE_TEST_HELPER"

func TestMain(m *testing.M) {
	name := os.Getenv(helperEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	r := report{Did: map[string]string{}}
	helpers[name](&r, os.Args[1:])
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// report is what a helper saw: Did has an error text, or "ok", for each thing it tried.
type report struct {
	Held    Held
	Err     string
	Threads []map[string]string // of each thread, the lines of its status that matter
	Did     map[string]string
}

func (r *report) try(what string, err error) {
	r.Did[what] = "ok"
	if err != nil {
		r.Did[what] = err.Error()
	}
}

// drop drops with several threads alive, half of them in system calls, and looks at all of them afterwards.
func (r *report) drop(n Needs) {
	stop := make(chan struct{})
	var up sync.WaitGroup
	for i := range 8 {
		up.Add(1)
		go func() {
			runtime.LockOSThread()
			up.Done()
			if i%2 == 0 {
				<-stop
			}
			for {
				ts := unix.NsecToTimespec(int64(time.Millisecond))
				_ = unix.Nanosleep(&ts, nil)
			}
		}()
	}
	up.Wait()
	h, err := Drop(n)
	r.Held = h
	if err != nil {
		r.Err = err.Error()
	}
	tasks, err := os.ReadDir("/proc/self/task")
	r.try("list threads", err)
	for _, task := range tasks {
		b, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		r.try("read a thread", err)
		lines := map[string]string{}
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok {
				lines[name] = strings.TrimSpace(value)
			}
		}
		r.Threads = append(r.Threads, lines)
	}
}

// helperCommand is a helper that is not started yet.
func helperCommand(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), helperEnv+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

func run(t *testing.T, cmd *exec.Cmd) report {
	t.Helper()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("helper: %v", err)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("helper says %q: %v", out, err)
	}
	if r.Err != "" {
		t.Fatalf("Drop: %s", r.Err)
	}
	return r
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("need root: this test drops root's privileges")
	}
}
