package live

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

func TestParseProcess(t *testing.T) {
	// Of a process that calls itself "a) R 1 (b": see proc_pid_stat(5).
	text := "77 (a) R 1 (b) S 12 77 77 0 -1 4194560 900 0 0 0 250 75 9 8 20 0 3 0 1234567 90000000 200 18446744073709551615 1 1 0\n"
	want := seen.Process{PID: 77, PPID: 12, Start: 1234567, Comm: "a) R 1 (b", User: 250, Sys: 75, Threads: 3, Resident: 200 * int64(os.Getpagesize())}
	if got, state, err := parseProcess([]byte(text)); got != want || state != 'S' || err != nil {
		t.Errorf("%+v %c %v, want %+v", got, state, err, want)
	}
	kthread := strings.Replace(text, "4194560", "2129984", 1)
	if got, _, err := parseProcess([]byte(kthread)); !got.Kernel || err != nil {
		t.Errorf("a kernel thread: %+v %v", got, err)
	}
	for _, bad := range []string{"", "77", "77 (a S 1", "77 (a) S 1 2 3", strings.Replace(text, "250", "2x0", 1), strings.Replace(text, "77 (", "x (", 1)} {
		if got, _, err := parseProcess([]byte(bad)); err == nil {
			t.Errorf("%q is no error: %+v", bad, got)
		}
	}
}

func TestParseCPUTimes(t *testing.T) {
	text := "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 4 5 6 7 8 90 91\ncpu2 10 20 30 40 50 60 70 80 0 0\nintr 5\ncpu3 1 1 1 1 1 1 1 1\n"
	want := []seen.CPUTimes{{User: 1, Nice: 2, System: 3, Idle: 4, IOWait: 5, IRQ: 6, SoftIRQ: 7, Steal: 8}, {},
		{User: 10, Nice: 20, System: 30, Idle: 40, IOWait: 50, IRQ: 60, SoftIRQ: 70, Steal: 80}}
	if got, err := parseCPUTimes([]byte(text)); !slices.Equal(got, want) || err != nil {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "intr 5\n", "cpu  1 2 3 4 5 6 7 8\n", "cpu0 1 2 x 4 5 6 7 8\n"} {
		if got, err := parseCPUTimes([]byte(bad)); err == nil {
			t.Errorf("%q is no error: %+v", bad, got)
		}
	}
	if got, err := parseCPUTimes([]byte("cpu-3 1 2 3 4 5 6 7 8\ncpu99999999 1 2 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8\n")); len(got) != 1 || err != nil {
		t.Errorf("%d CPUs of a hostile text, %v", len(got), err)
	}
}

// A look sees what is there, with what it used, and not who has ended.
func TestLook(t *testing.T) {
	counter := filepath.Join(t.TempDir(), "energy_uj")
	if err := os.WriteFile(counter, []byte("000000000000001234\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := &Reader{Procfs: "/proc", Counters: []string{counter}}
	busy := exec.Command("sh", "-c", "while [ $i -lt 150000 ]; do i=$((i+1)); done; echo done; read x")
	busy.Env = append(os.Environ(), "i=0")
	in, err := busy.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := busy.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	dead := exec.Command("true")
	if err := dead.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dead.Wait() }() // until then it is a zombie
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	zombie := filepath.Join("/proc", strconv.Itoa(dead.Process.Pid), "stat")
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if b, err := os.ReadFile(zombie); err != nil || strings.Contains(string(b), ") Z ") {
			break
		}
	}
	s, at, err := r.Look()
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	_ = busy.Wait() // its read has met the end
	if time.Since(at) < 0 || len(s.CPUs) == 0 || !slices.Equal(s.Zones, []uint64{1234}) {
		t.Errorf("at %v, %d CPUs, counters %d", at, len(s.CPUs), s.Zones)
	}
	byPID := map[int]seen.Process{}
	for _, p := range s.Processes {
		byPID[p.PID] = p
	}
	self := byPID[os.Getpid()]
	if self.PPID != os.Getppid() || self.Kernel || self.Resident < 1<<20 || self.Threads < 2 {
		t.Errorf("this process is %+v", self)
	}
	if p, ok := byPID[dead.Process.Pid]; ok {
		t.Errorf("a process that has ended is %+v", p)
	}
	p := byPID[busy.Process.Pid]
	used := busy.ProcessState.UserTime() + busy.ProcessState.SystemTime()
	if told := time.Duration(p.User+p.Sys) * seen.Tick; p.Comm != "sh" || p.PPID != os.Getpid() || told == 0 || (told-used).Abs() > 3*seen.Tick+used/50 {
		t.Errorf("a process that used %v is %+v", used, p)
	}
	if files := r.Files; files < int64(len(s.Processes))+2 || r.Spent <= 0 {
		t.Errorf("%d files were read for %d processes, in %v", files, len(s.Processes), r.Spent)
	}
}

// A process that goes while it is looked at is left out, and its cgroup is the one of the hierarchy that was asked for.
func TestLookAtAProc(t *testing.T) {
	proc := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(proc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stat := func(pid, start string) string {
		return pid + " (x) S 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 " + start + " 0 5 0\n"
	}
	write("stat", "cpu0 1 2 3 4 5 6 7 8\n")
	write("5/stat", stat("5", "100"))
	write("5/cgroup", "3:cpu,cpuacct:/here:there\n2:memory:/m\n0::/two\n")
	write("6/stat", stat("6", "101"))
	write("7/comm", "gone\n")
	write("self/stat", "no number")
	for hierarchy, want := range map[string]string{"cpu": "/here:there", "memory": "/m", "": "/two", "none": ""} {
		r := &Reader{Procfs: proc, Hierarchy: hierarchy}
		s, _, err := r.Look()
		if err != nil || len(s.Processes) != 2 {
			t.Fatalf("%+v, %v", s.Processes, err)
		}
		for _, p := range s.Processes {
			if p.PID == 5 && p.Cgroup != want || p.PID == 6 && p.Cgroup != "" {
				t.Errorf("by %q: %+v, want %q", hierarchy, p, want)
			}
		}
	}
	r := &Reader{Procfs: proc, Hierarchy: "cpu"}
	for _, start := range []string{"100", "100", "200"} { // what is known of a process is not another's of the same number
		write("5/stat", stat("5", start))
		write("5/cgroup", "3:cpu:/"+start+"\n")
		s, _, err := r.Look()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.Processes {
			if p.PID == 5 && p.Cgroup != "/"+start {
				t.Errorf("started at %s: %+v", start, p)
			}
		}
	}
	write("6/stat", "garbage\n")
	if _, _, err := r.Look(); err == nil {
		t.Error("garbage is no error")
	}
}
