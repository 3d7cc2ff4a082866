package bpf

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/host"
)

// recorder keeps what a handler is told.
type recorder struct {
	mu   sync.Mutex
	seen []Event
	hold sync.Mutex // locked by a test: the handler does not return
}

func (r *recorder) handle(e *Event) {
	r.hold.Lock()
	defer r.hold.Unlock()
	kept := *e
	kept.Comm, kept.Exe, kept.Args, kept.Path = bytes.Clone(e.Comm), bytes.Clone(e.Exe), bytes.Clone(e.Args), bytes.Clone(e.Path)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, kept)
}

func (r *recorder) all() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// of returns what a process did.
func (r *recorder) of(pid int, kinds ...EventKind) []Event {
	return slices.DeleteFunc(r.all(), func(e Event) bool { return int(e.TGID) != pid || !slices.Contains(kinds, e.Kind) })
}

func record(t testing.TB, o Options) (*recorder, *Collector) {
	t.Helper()
	r := &recorder{}
	o.Events = r.handle
	return r, open(t, o)
}

// drained ends a window: the handler has been told of all that happened before.
func drained(t testing.TB, c *Collector) []Usage {
	t.Helper()
	rows, err := c.Drain(nil)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

const clockTick = 10 * time.Millisecond // USER_HZ is 100 everywhere

// procStat is what /proc/PID/stat says of a process: start in ticks since boot.
type procStat struct {
	pid, ppid int
	state     string
	start     time.Duration
	exiting   bool // PF_EXITING, which a zombie keeps
}

func parseStat(s string) (procStat, error) {
	pid, _, _ := strings.Cut(s, " ")
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 20 {
		return procStat{}, fmt.Errorf("stat of %d fields", len(f))
	}
	st := procStat{state: f[0]}
	ticks, err := strconv.ParseInt(f[19], 10, 64)
	st.start = time.Duration(ticks) * clockTick
	var flags uint64
	if err == nil {
		flags, err = strconv.ParseUint(f[6], 10, 32)
		st.exiting = flags&4 != 0
	}
	if err == nil {
		st.pid, err = strconv.Atoi(pid)
	}
	if err == nil {
		st.ppid, err = strconv.Atoi(f[1])
	}
	return st, err
}

func statOf(t testing.TB, pid int) procStat {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	st, err := parseStat(string(b))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// zombie is a process that has exited and is not waited for until the test ends.
func zombie(t testing.TB) (pid int) {
	t.Helper()
	cmd := exec.Command("/bin/true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	pid = cmd.Process.Pid
	eventually(t, "a zombie", func() error {
		if s := statOf(t, pid).state; s != "Z" {
			return fmt.Errorf("state %s", s)
		}
		return nil
	})
	return pid
}

// lives checks that a process's events are of the kinds, in this order, and that all have its start.
func lives(t testing.TB, r *recorder, st procStat, kinds ...EventKind) []Event {
	t.Helper()
	all := r.of(st.pid, Fork, Exec, Exit)
	var got []EventKind
	for _, e := range all {
		got = append(got, e.Kind)
		if e.Start.Truncate(clockTick) != st.start {
			t.Errorf("start %v, /proc has %v: %+v", e.Start, st.start, e)
		}
	}
	if !slices.Equal(got, kinds) {
		t.Fatalf("process %d: events %v, want %v", st.pid, got, kinds)
	}
	return all
}

func TestEventsOfAProcess(t *testing.T) {
	r, c := record(t, Options{})
	script := filepath.Join(t.TempDir(), "a-script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nread x\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	self := statOf(t, os.Getpid())
	for name, args := range map[string][]string{
		"empty argument": {"/bin/sh", "-c", "read x", "a b", "", "c"},
		"long":           {"/bin/sh", "-c", "read x", strings.Repeat("x", 300), "end"},
		"just fits":      {"/bin/sh", "-c", "read x", strings.Repeat("x", 256-len("/bin/sh -c read x  "))},
		"script":         {script, "an argument"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(args[0], args[1:]...)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			pid := cmd.Process.Pid
			st := statOf(t, pid)
			var cmdline []byte
			eventually(t, "read the command line", func() (err error) { // os/exec returns in the midst of exec
				if cmdline, err = os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && len(cmdline) == 0 {
					err = errors.New("empty")
				}
				return err
			})
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			in.Close()
			_ = cmd.Wait() // read fails at the end of its input
			drained(t, c)

			for _, e := range lives(t, r, st, Fork, Exec, Exit) {
				if int(e.PPID) != self.pid || e.ParentStart.Truncate(clockTick) != self.start || int(e.UID) != os.Getuid() || e.Cgroup == 0 {
					t.Errorf("parent %+v: %+v", self, e)
				}
				if e.Kind != Exec {
					if e.Args != nil || e.Exe != nil || e.Path != nil {
						t.Errorf("more than it should have: %+v", e)
					}
					continue
				}
				if string(e.Exe) != "/bin/sh" || string(e.Comm) != strings.TrimSpace(string(comm)) {
					t.Errorf("exe %q, comm %q, want /bin/sh and %q", e.Exe, e.Comm, comm)
				}
				if want := cmdline[:min(len(cmdline), 256)]; !bytes.Equal(e.Args, want) || e.ArgsTotal != len(cmdline) {
					t.Errorf("%d of %d bytes %q, want %d of %d %q", len(e.Args), e.ArgsTotal, e.Args, len(want), len(cmdline), want)
				}
			}
		})
	}
}

// Quick processes are all told of, whatever the machine does.
func TestEventsOfQuickProcesses(t *testing.T) {
	const n = 500
	r, c := record(t, Options{})
	l := start(t, nil, "sh", fmt.Sprintf(`i=0; while [ $i -lt %d ]; do /bin/true; i=$((i+1)); done`, n)).release(t)
	l.used(t)
	drained(t, c)
	type life struct {
		tgid  uint32
		start time.Duration
	}
	lives := map[life][]EventKind{}
	for _, e := range r.all() {
		if int(e.PPID) != l.pid() || !slices.Contains([]EventKind{Fork, Exec, Exit}, e.Kind) {
			continue
		}
		key := life{e.TGID, e.Start}
		lives[key] = append(lives[key], e.Kind)
		if e.Kind == Exec && (string(e.Exe) != "/bin/true" || string(e.Args) != "/bin/true\x00") {
			t.Errorf("not what was run: %+v", e)
		}
	}
	for key, kinds := range lives {
		if !slices.Equal(kinds, []EventKind{Fork, Exec, Exit}) {
			t.Errorf("%+v: %v", key, kinds)
		}
	}
	if len(lives) != n || c.Losses().Events != 0 {
		t.Errorf("%d processes, %d were run; %d events lost", len(lives), n, c.Losses().Events)
	}
}

// A process's new names are told, its other threads' are not.
func TestEventsOfNames(t *testing.T) {
	r, c := record(t, Options{})
	l := start(t, nil, "named", "a-new-name", "1ms")
	st := statOf(t, l.pid())
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", l.pid()))
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, nil, "workers", "1ms", "a-thread-s-name")
	drained(t, c)
	var names []string
	for _, e := range r.of(l.pid(), Renamed) {
		names = append(names, string(e.Comm))
		if e.Start.Truncate(clockTick) != st.start || int(e.PPID) != os.Getpid() {
			t.Errorf("%+v, want that of %+v", e, st)
		}
	}
	byExec := string(r.of(l.pid(), Exec)[0].Comm)
	if want := []string{byExec, strings.TrimSpace(string(comm))}; !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	for _, e := range r.of(w.pid(), Renamed) {
		if string(e.Comm) == "a-thread-s-name" {
			t.Errorf("a thread's name: %+v", e)
		}
	}
}

// A chain of programs is one process.
func TestEventsOfExecChain(t *testing.T) {
	r, c := record(t, Options{})
	l := start(t, nil, "sh", `exec /bin/sh -c 'exec /bin/true'`)
	st := statOf(t, l.pid())
	l.release(t).used(t)
	rows := filter(drained(t, c), process(l.pid()))
	all := lives(t, r, st, Fork, Exec, Exec, Exec, Exec, Exit)
	for i, want := range []string{l.cmd.Path, "/bin/sh", "/bin/sh", "/bin/true"} {
		if string(all[i+1].Exe) != want {
			t.Errorf("exec %d of %q, want %q", i, all[i+1].Exe, want)
		}
	}
	for _, u := range rows {
		if u.Start.Truncate(clockTick) != st.start {
			t.Errorf("another start than %v: %+v", st.start, u)
		}
	}
	if len(rows) == 0 {
		t.Error("no usage")
	}
}

// A thread that execs becomes the process: the end of the leader it replaces is no exit.
func TestEventsOfExecByThread(t *testing.T) {
	r, c := record(t, Options{})
	name := otherName(t)
	l := start(t, nil, "execthread", "5ms", "300ms", name)
	st := statOf(t, l.pid())
	l.release(t)
	eventually(t, "exec by a thread", func() error {
		drained(t, c)
		if n := len(r.of(l.pid(), Exec)); n < 2 {
			return fmt.Errorf("%d execs", n)
		}
		return nil
	})
	if e := lives(t, r, st, Fork, Exec, Exec)[2]; string(e.Exe) != name {
		t.Errorf("exec of %q, want %q", e.Exe, name)
	}
	l.used(t)
	drained(t, c)
	if n := len(r.of(l.pid(), Exit)); n == 0 {
		t.Error("no exit")
	}
}

// A process ends with its last thread.
func TestEventsOfLeaderThatExitsFirst(t *testing.T) {
	r, c := record(t, Options{})
	l := start(t, nil, "leaderfirst", "400ms")
	st := statOf(t, l.pid())
	l.release(t)
	eventually(t, "the leader's end", func() error {
		if s := statOf(t, l.pid()).state; s != "Z" {
			return fmt.Errorf("state %s", s)
		}
		return nil
	})
	drained(t, c)
	if err := c.events.find(); err != nil {
		t.Fatal(err)
	}
	lives(t, r, st, Fork, Exec)
	if n := len(r.of(l.pid(), Found)); n != 1 {
		t.Errorf("found %d times", n)
	}
	l.used(t)
	drained(t, c)
	if n := len(r.of(l.pid(), Exit)); n == 0 {
		t.Error("no exit")
	}
}

// A process whose threads end at the same time has its exit told. More than once is allowed: two threads can both be the last.
func TestEventsOfThreadsThatEndTogether(t *testing.T) {
	r, c := record(t, Options{})
	twice := 0
	for range 20 {
		l := start(t, nil, "threads", "8", "5ms").release(t)
		l.used(t)
		drained(t, c)
		switch n := len(r.of(l.pid(), Exit)); {
		case n == 0:
			t.Error("no exit")
		case n > 1:
			twice++
		}
	}
	t.Logf("%d of 20 exits were told of more than once", twice)
}

// The parent of a grandchild is the middle process, though nobody could have looked at it.
func TestEventsOfDoubleFork(t *testing.T) {
	r, c := record(t, Options{})
	l := start(t, nil, "sh", `( read s </proc/self/stat; echo "$s"; /bin/sh -c 'read s </proc/self/stat; echo "$s"; sleep 0.2' & ); sleep 0.1`)
	l.release(t)
	var st [2]procStat // the middle one and the grandchild, as they saw themselves
	for i := range st {
		var err error
		if st[i], err = parseStat(l.line(t)); err != nil {
			t.Fatal(err)
		}
	}
	l.used(t)
	drained(t, c)
	middle, grandchild := lives(t, r, st[0], Fork, Exit), r.of(st[1].pid, Fork)
	if len(grandchild) != 1 || int(grandchild[0].PPID) != st[0].pid || grandchild[0].ParentStart != middle[0].Start {
		t.Errorf("the grandchild: %+v, want a child of %+v", grandchild, middle[0])
	}
	if int(middle[0].PPID) != l.pid() {
		t.Errorf("the middle one: %+v, want a child of %d", middle[0], l.pid())
	}
	if e := r.of(st[1].pid, Exit); len(e) != 0 && int(e[0].PPID) == st[0].pid {
		t.Errorf("its parent is gone: %+v", e)
	}
}

// When the ring is too small the next window's end looks at all processes.
func TestEventsLost(t *testing.T) {
	r, c := record(t, Options{Sizes: Sizes{Ring: 4096}})
	before := len(r.all())
	if first := r.all(); first[0].Kind != LookingAgain || !slices.ContainsFunc(first, func(e Event) bool { return e.Kind == AllFound }) {
		t.Error("Open did not look at all processes")
	}
	r.hold.Lock() // nobody reads the ring
	l := start(t, nil, "sh", `i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done`).release(t)
	l.used(t)
	lost := c.Losses().Events
	r.hold.Unlock()
	if lost == 0 {
		t.Fatal("no event was lost")
	}
	t.Logf("%d lost", lost)
	was := allStats(t)
	drained(t, c)
	checkFound(t, r.all()[before:], was, allStats(t))

	for range 100 {
		lost = c.Losses().Events
		drained(t, c)
		before = len(r.all())
		drained(t, c)
		if c.Losses().Events != lost { // the machine goes on
			continue
		}
		if slices.ContainsFunc(r.all()[before:], func(e Event) bool { return e.Kind == Found || e.Kind == LookingAgain }) {
			t.Error("looked again without a loss")
		}
		return
	}
	t.Log("events were lost in each window")
}

func allStats(t testing.TB) map[int]procStat {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]procStat{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it is gone
		}
		st, err := parseStat(string(b))
		if err != nil {
			t.Fatal(err)
		}
		all[st.pid] = st
	}
	return all
}

// checkFound: who was there before and after was found in between.
func checkFound(t testing.TB, events []Event, before, after map[int]procStat) {
	t.Helper()
	kind := func(k EventKind) int { return slices.IndexFunc(events, func(e Event) bool { return e.Kind == k }) }
	from, to := kind(LookingAgain), kind(AllFound)
	if from < 0 || to < from {
		t.Fatalf("looked from %d to %d", from, to)
	}
	found := map[int]Event{}
	for _, e := range events[from:to] {
		if e.Kind == Found {
			found[int(e.TGID)] = e
		}
	}
	n := 0
	for pid, st := range before {
		if a := after[pid]; a.start != st.start || a.ppid != st.ppid || a.exiting {
			continue // it ended, or its parent did
		}
		if _, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); errors.Is(err, os.ErrPermission) {
			t.Logf("process %d: this kernel hides it even from root", pid) // seen: a sandbox's pid 1, in no task iterator
			continue
		}
		n++
		if e, ok := found[pid]; !ok || e.Start.Truncate(clockTick) != st.start || int(e.PPID) != st.ppid {
			t.Errorf("found %+v, /proc has %+v", e, st)
		}
	}
	t.Logf("%d found, %d lived all the while", len(found), n)
}

// Who has exited and is not waited for has had its Exit: a look does not find it again.
func TestEventsFoundNoZombies(t *testing.T) {
	r, c := record(t, Options{})
	pid := zombie(t)
	drained(t, c)
	if err := c.events.find(); err != nil {
		t.Fatal(err)
	}
	lives(t, r, statOf(t, pid), Fork, Exec, Exit)
	if e := r.of(pid, Found); len(e) != 0 {
		t.Errorf("found after its exit: %+v", e)
	}
}

// Two processes that have one pid in one window are two.
func TestEventsOfPIDReuse(t *testing.T) {
	const last = "/proc/sys/kernel/ns_last_pid"
	if _, err := os.Stat(last); err != nil {
		t.Skip("need ns_last_pid: ", err)
	}
	r, c := record(t, Options{})
	for range 20 {
		one := start(t, nil, "spin", "20ms")
		st := [2]procStat{statOf(t, one.pid())}
		one.release(t).used(t)
		if err := os.WriteFile(last, fmt.Append(nil, one.pid()-1), 0); err != nil {
			t.Skip("need root: ns_last_pid: ", err)
		}
		two := start(t, nil, "spin", "20ms")
		st[1] = statOf(t, two.pid())
		two.release(t).used(t)
		time.Sleep(20 * time.Millisecond)
		rows := filter(drained(t, c), process(one.pid()))
		if two.pid() != one.pid() { // another fork was faster
			continue
		}
		if st[0].start == st[1].start {
			t.Fatalf("not two: %+v", st)
		}
		for _, s := range st {
			sum := total(rows, func(u Usage) bool { return u.Start.Truncate(clockTick) == s.start })
			if sum < 10*time.Millisecond || sum > 500*time.Millisecond {
				t.Errorf("%v used, want some 20ms: %+v", sum, s)
			}
			for _, k := range []EventKind{Fork, Exec, Exit} {
				if !slices.ContainsFunc(r.of(s.pid, k), func(e Event) bool { return e.Start.Truncate(clockTick) == s.start }) {
					t.Errorf("no event of kind %d: %+v", k, s)
				}
			}
		}
		starts := map[time.Duration]bool{}
		for _, e := range r.of(one.pid(), Fork, Exec, Exit) {
			starts[e.Start] = true
		}
		if n := len(processes(rows, anyone)); n != 2 || len(starts) != 2 {
			t.Errorf("%d accounts and %d starts, want 2", n, len(starts))
		}
		return
	}
	t.Skip("no chance to reuse a pid on this busy machine")
}

// cgroupOptions are those of the hierarchy that is used here.
func cgroupOptions(t testing.TB) (host.Cgroups, Options) {
	t.Helper()
	cg, err := host.ReadCgroups("/proc")
	if err != nil {
		t.Fatal(err)
	}
	if cg.Mount == "" {
		t.Skip("need cgroups: not mounted")
	}
	return cg, Options{CgroupV1: cg.V1, Hierarchy: cg.Hierarchy}
}

// told waits, without a drain, for what happened to a cgroup.
func told(t testing.TB, r *recorder, kind EventKind, id uint64) Event {
	t.Helper()
	var got Event
	eventually(t, fmt.Sprintf("event %d of cgroup %d", kind, id), func() error {
		for _, e := range r.all() {
			if e.Kind == kind && e.Cgroup == id {
				got = e
				return nil
			}
		}
		return fmt.Errorf("not told")
	})
	return got
}

func TestEventsOfCgroups(t *testing.T) {
	cg, o := cgroupOptions(t)
	r, _ := record(t, o)
	path := func(dir string) string { return strings.TrimPrefix(dir, cg.Mount) }
	others := map[string]string{} // on other hierarchies
	for _, ctrl := range []string{"memory", "freezer", "pids", "cpu", "cpuacct", ""} {
		if m := cgroupMount(t, ctrl); m != "" && m != cg.Mount && (cg.V1 || ctrl != "") {
			others[filepath.Base(makeGroup(t, m))] = m
		}
	}
	dir := filepath.Join(cg.Mount, fmt.Sprintf("eco2-bpf-test-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip("need cgroups: none can be made: ", err)
	}
	defer func() { _ = os.Remove(dir) }() // most likely gone
	id := inode(t, dir)
	if e := told(t, r, CgroupMade, id); string(e.Path) != path(dir) {
		t.Errorf("made %q, want %q", e.Path, path(dir))
	}
	if cg.V1 { // v2 has no rename
		old := dir
		dir += "-renamed"
		if err := os.Rename(old, dir); err != nil {
			t.Fatal(err)
		}
		if inode(t, dir) != id {
			t.Error("another inode")
		}
		if e := told(t, r, CgroupMoved, id); string(e.Path) != path(dir) {
			t.Errorf("moved to %q, want %q", e.Path, path(dir))
		}
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if e := told(t, r, CgroupGone, id); string(e.Path) != path(dir) {
		t.Errorf("gone %q, want %q", e.Path, path(dir))
	}
	for _, e := range r.all() {
		if m, other := others[filepath.Base(string(e.Path))]; other {
			t.Errorf("of the hierarchy at %s: %+v", m, e)
		}
	}
	t.Logf("%d other hierarchies", len(others))
}

// A path that the kernel may have cut is not shown.
func TestEventsOfLongCgroupPaths(t *testing.T) {
	cg, o := cgroupOptions(t)
	r, _ := record(t, o)
	dir := makeGroup(t, cg.Mount)
	for _, length := range []int{255, 510, 765, 1020, 1022, 1023, 1300} {
		at := len(dir) - len(cg.Mount)
		if length == 1023 { // beside that of 1022
			dir = filepath.Dir(dir)
			at = len(dir) - len(cg.Mount)
		}
		for at < length {
			n := min(length-at-1, 200)
			if left := length - at - 1 - n; left == 1 {
				n-- // a name behind the slash
			}
			dir += "/" + strings.Repeat("d", n)
			at += 1 + n
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			gone := dir
			t.Cleanup(func() { eventually(t, "remove it", func() error { return os.Remove(gone) }) })
			e := told(t, r, CgroupMade, inode(t, dir))
			if want := strings.TrimPrefix(dir, cg.Mount); len(want) <= 1022 && string(e.Path) != want || len(want) > 1022 && e.Path != nil {
				t.Errorf("a path of %d bytes: %d bytes %q", len(want), len(e.Path), e.Path)
			}
		}
	}
}

// A process that moves is two accounts; the cgroup's event names both.
func TestEventsOfMove(t *testing.T) {
	cg, o := cgroupOptions(t)
	r, c := record(t, o)
	from, to := makeGroup(t, cg.Mount), makeGroup(t, cg.Mount)
	l := start(t, joined(from), "mover", "100ms", to)
	st := statOf(t, l.pid())
	drained(t, c)
	l.release(t).used(t)
	time.Sleep(20 * time.Millisecond)
	rows := filter(drained(t, c), process(l.pid()))
	ids := map[uint64]time.Duration{}
	for _, u := range rows {
		ids[u.Cgroup] += u.Time
		if u.Start.Truncate(clockTick) != st.start {
			t.Errorf("another process: %+v", u)
		}
	}
	if len(ids) != 2 || ids[inode(t, from)] < 20*time.Millisecond || ids[inode(t, to)] < 20*time.Millisecond {
		t.Errorf("by cgroup: %v, want %d and %d", ids, inode(t, from), inode(t, to))
	}
	for _, dir := range []string{from, to} {
		told(t, r, CgroupMade, inode(t, dir))
	}
	ends := r.of(l.pid(), Exit)
	if len(ends) == 0 || ends[0].Cgroup != inode(t, to) {
		t.Errorf("it ended in %d: %+v", inode(t, to), ends)
	}
}
