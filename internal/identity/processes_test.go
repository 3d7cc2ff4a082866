package identity

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// key's start is in seconds, so that processes of one pid can be told apart.
func key(tgid, start int) ProcessKey {
	return ProcessKey{TGID: uint32(tgid), Start: time.Duration(start) * time.Second}
}

func got(ps *Processes, k ProcessKey) *Process {
	p, _ := ps.Get(k)
	return p
}

// chain is a process's ancestors as text: pids and names, nearest first.
func chain(ps *Processes, p *Process) string {
	var b strings.Builder
	for _, a := range ps.Describe(p).Ancestors {
		fmt.Fprintf(&b, "%d %s;", a.PID, a.Comm)
	}
	return b.String()
}

func TestForkInheritsExecReplaces(t *testing.T) {
	ps := NewProcesses(10)
	ps.Exec(key(10, 1), key(1, 0), "sh", "/bin/sh", "sh\x00-c\x00x", 7)
	ps.Fork(key(11, 2), key(10, 1), "sh")
	p := got(ps, key(11, 2))
	if d := ps.Describe(p); d.Exe != "/bin/sh" || d.Args != "sh\x00-c\x00x" || d.ArgsCut || chain(ps, p) != "10 sh;" {
		t.Errorf("forked: %+v", d)
	}
	ps.Exec(key(11, 2), key(10, 1), "cat", "/bin/cat", "cat\x00/etc", 300)
	if d := ps.Describe(p); d.Exe != "/bin/cat" || d.Args != "cat\x00/etc" || !d.ArgsCut || chain(ps, p) != "10 sh;" {
		t.Errorf("executed: %+v", d)
	}
	if d := ps.Describe(got(ps, key(10, 1))); d.Exe != "/bin/sh" {
		t.Errorf("its parent became %+v", d)
	}
	ps.Fork(key(12, 3), key(11, 2), "cat")
	if got := ps.Describe(got(ps, key(12, 3))); got.Exe != "/bin/cat" || !got.ArgsCut {
		t.Errorf("its child: %+v", got)
	}
	// An exec whose fork was lost.
	ps.Exec(key(13, 4), key(12, 3), "ls", "/bin/ls", "ls", 2)
	if p := got(ps, key(13, 4)); chain(ps, p) != "12 cat;11 cat;10 sh;" || ps.Describe(p).Exe != "/bin/ls" {
		t.Errorf("without a fork: %q", chain(ps, p))
	}
}

func TestExitIsRememberedForTwoSteps(t *testing.T) {
	ps := NewProcesses(10)
	k := key(10, 1)
	ps.Exec(k, key(9, 0), "a", "/a", "a", 1)
	ps.Fork(key(11, 2), k, "b")
	p := got(ps, k)
	ps.Exit(k)
	ps.Exit(k) // told twice
	for step := range 2 {
		if got(ps, k) != p || ps.Len() != 2 {
			t.Fatalf("forgotten after %d steps", step)
		}
		ps.Step()
	}
	if got(ps, k) != nil || ps.Len() != 1 {
		t.Errorf("remembered: %d", ps.Len())
	}
	ps.Step()
	if d := ps.Describe(p); d.Exe != "/a" || d.Args != "a" {
		t.Errorf("who holds it is told %+v", d)
	}
	if got := chain(ps, got(ps, key(11, 2))); got != "10 a;" {
		t.Errorf("its child's parents: %q", got)
	}
	ps.Exit(k) // not known any more
	ps.Tell(k, "/x", "", 0)
	if ps.Len() != 1 {
		t.Errorf("%d known", ps.Len())
	}
}

func TestRename(t *testing.T) {
	ps := NewProcesses(10)
	ps.Exec(key(10, 1), ProcessKey{}, "python", "/python", "p", 1)
	ps.Fork(key(11, 1), key(10, 1), "python")
	ps.Rename(key(10, 1), "worker")
	ps.Rename(key(99, 1), "nobody")
	if p, name := ps.Get(key(10, 1)); name != "worker" || ps.Describe(p).Exe != "/python" {
		t.Errorf("%q", name)
	}
	if chain(ps, got(ps, key(11, 1))) != "10 worker;" || ps.Len() != 2 {
		t.Errorf("its child's parents: %q", chain(ps, got(ps, key(11, 1))))
	}
	if p, name := ps.Get(key(99, 1)); p != nil || name != "" {
		t.Errorf("nobody is %q", name)
	}
}

func TestPIDsComeAgain(t *testing.T) {
	ps := NewProcesses(10)
	ps.Exec(key(10, 1), ProcessKey{}, "old", "/old", "", 0)
	ps.Exit(key(10, 1))
	ps.Exec(key(10, 2), ProcessKey{}, "new", "/new", "", 0)
	if ps.Len() != 2 || ps.Describe(got(ps, key(10, 1))).Exe != "/old" || ps.Describe(got(ps, key(10, 2))).Exe != "/new" {
		t.Error("two processes of one pid are mixed up")
	}
	ps.Step()
	ps.Step()
	if ps.Len() != 1 || got(ps, key(10, 2)) == nil {
		t.Error("the exit of the first ended the second")
	}
}

// A double fork: the middle is gone, and the grandchild's parent is init by now. Who forked it is still told.
func TestMiddleOfAChainIsGone(t *testing.T) {
	ps := NewProcesses(10)
	ps.Exec(key(1, 0), ProcessKey{}, "init", "/init", "", 0)
	ps.Fork(key(10, 1), key(1, 0), "sh")
	ps.Fork(key(11, 2), key(10, 1), "middle")
	ps.Fork(key(12, 3), key(11, 2), "daemon")
	ps.Exit(key(11, 2))
	ps.Step()
	ps.Step()
	ps.Look()
	ps.Found(key(1, 0), ProcessKey{}, "init")
	ps.Found(key(10, 1), key(1, 0), "sh")
	ps.Found(key(12, 3), key(1, 0), "daemon")
	ps.AllFound()
	p := got(ps, key(12, 3))
	if got := chain(ps, p); got != "11 middle;10 sh;1 init;" {
		t.Errorf("ancestors %q", got)
	}
	if root, comm := ps.Tree(p); root != key(10, 1) || comm != "sh" {
		t.Errorf("its tree is %v %q", root, comm)
	}
	if root, comm := ps.Tree(got(ps, key(1, 0))); root != key(1, 0) || comm != "init" {
		t.Errorf("init's tree is %v %q", root, comm)
	}
}

func TestTreesOfTheKernelsThreads(t *testing.T) {
	ps := NewProcesses(10)
	ps.Fork(key(2, 0), ProcessKey{}, "kthreadd")
	ps.Fork(key(20, 1), key(2, 0), "kworker")
	ps.Fork(key(30, 1), key(29, 1), "orphan")
	for k, want := range map[ProcessKey]string{key(20, 1): "kworker", key(30, 1): "orphan"} {
		if root, comm := ps.Tree(got(ps, k)); root != k || comm != want {
			t.Errorf("the tree of %v is %v %q", k, root, comm)
		}
	}
}

// A daemon that forks itself and exits, for ever.
func TestEndlessChainIsBounded(t *testing.T) {
	ps := NewProcesses(100)
	ps.Exec(key(1, 0), ProcessKey{}, "init", "/init", "", 0)
	var mu sync.Mutex
	freed := 0
	const forks = 10000
	for i := range forks {
		ps.Fork(key(10+i, i), key(9+i, i-1), "d")
		if p := got(ps, key(10+i, i)); p != nil {
			runtime.SetFinalizer(p, func(*Process) { mu.Lock(); freed++; mu.Unlock() })
		}
		ps.Exit(key(9+i, i-1))
		ps.Step()
		if n := len(ps.Describe(got(ps, key(10+i, i))).Ancestors); n > 33 || n < min(i, 32) {
			t.Fatalf("%d ancestors after %d forks", n, i)
		}
		if n := ps.Len(); n > 5 {
			t.Fatalf("%d known after %d forks", n, i)
		}
	}
	for range 20 { // a finalizer runs some time after the collection
		runtime.GC()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		n := freed
		mu.Unlock()
		if n >= forks-50 {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if freed < forks-50 {
		t.Errorf("%d of %d are still held", forks-freed, forks)
	}
	runtime.KeepAlive(ps)
}

func TestLook(t *testing.T) {
	ps := NewProcesses(100)
	ps.Fork(key(5, 1), key(1, 0), "gone")
	ps.Fork(key(6, 1), key(1, 0), "stays")
	ps.Fork(key(7, 1), key(8, 1), "early") // its parent's fork was lost
	ps.Look()
	ps.Fork(key(9, 3), key(10, 2), "meanwhile") // before its parent is found
	// Children before their parents.
	tell := 0
	for _, p := range [][3]int{{12, 2, 11}, {11, 2, 10}, {10, 2, 1}, {8, 1, 1}, {6, 1, 1}, {7, 1, 8}} {
		parent := key(p[2], 2)
		if p[2] == 8 {
			parent = key(8, 1)
		} else if p[2] == 1 {
			parent = key(1, 0)
		}
		if ps.Found(key(p[0], p[1]), parent, fmt.Sprint("c", p[0])) {
			tell++
		}
	}
	ps.Found(key(1, 0), ProcessKey{}, "init")
	ps.Tell(key(12, 2), "/c12", "c12\x00-x", 6)
	ps.Tell(key(12, 2), "/other", "", 0) // it knew already
	ps.AllFound()
	if tell != 6 {
		t.Errorf("of %d the program is to be told", tell)
	}
	for k, want := range map[ProcessKey]string{
		key(12, 2): "11 c11;10 c10;1 init;", key(10, 2): "1 init;", key(7, 1): "8 c8;1 init;", key(9, 3): "10 c10;1 init;", key(1, 0): "",
	} {
		if got := chain(ps, got(ps, k)); got != want {
			t.Errorf("ancestors of %d: %q, want %q", k.TGID, got, want)
		}
	}
	if d := ps.Describe(got(ps, key(12, 2))); d.Exe != "/c12" || d.Args != "c12\x00-x" || d.ArgsCut {
		t.Errorf("%+v", d)
	}
	ps.Step()
	if got(ps, key(5, 1)) == nil {
		t.Error("one that was missing is forgotten at once")
	}
	ps.Step()
	for k, want := range map[ProcessKey]bool{key(5, 1): false, key(6, 1): true, key(9, 3): true, key(12, 2): true} {
		if got := got(ps, k) != nil; got != want {
			t.Errorf("process %d is known: %v", k.TGID, got)
		}
	}
	if ps.Look(); ps.Found(key(12, 2), key(11, 2), "renamed") {
		t.Error("what is known is asked for again")
	}
	if p, name := ps.Get(key(12, 2)); p == nil || name != "renamed" {
		t.Errorf("a name whose event was lost is still %q", name)
	}
	if ps.Found(key(2, 0), ProcessKey{}, "kthreadd") || ps.Found(key(20, 0), key(2, 0), "kworker") {
		t.Error("a kernel thread has no program")
	}
}

// Who is found from the bottom up has no longer chain than others.
func TestLookFromTheBottomUp(t *testing.T) {
	for _, up := range []bool{false, true} {
		ps := NewProcesses(2000)
		ps.Look()
		for i := range 1000 {
			if up {
				i = 999 - i
			}
			ps.Found(key(100+i, 1), key(99+i, 1), "p")
		}
		ps.AllFound()
		for i := range 1000 {
			if n := len(ps.Describe(got(ps, key(100+i, 1))).Ancestors); n != min(i, 32) {
				t.Fatalf("bottom up %v: number %d has %d ancestors", up, i, n)
			}
		}
		if root, _ := ps.Tree(got(ps, key(1099, 1))); root != key(100, 1) {
			t.Errorf("bottom up %v: the tree is %v", up, root)
		}
	}
}

func TestCircleOfParents(t *testing.T) {
	ps := NewProcesses(10)
	ps.Look()
	ps.Found(key(5, 1), key(5, 1), "self")
	for i := range 3 {
		ps.Found(key(10+i, 1), key(10+(i+1)%3, 1), "c")
	}
	ps.Found(key(20, 1), key(10, 1), "below")
	ps.AllFound()
	ps.Fork(key(30, 1), key(30, 1), "self")
	ps.Fork(key(31, 1), key(32, 1), "c")
	ps.Fork(key(32, 1), key(31, 1), "c")
	ps.Fork(key(31, 1), key(32, 1), "told twice")
	ps.Fork(key(33, 2), key(34, 3), "c")
	ps.Fork(key(34, 3), ProcessKey{}, "younger than its child")
	ps.AllFound()
	if got := chain(ps, got(ps, key(33, 2))); got != "" {
		t.Errorf("a parent that began later: %q", got)
	}
	for _, p := range []int{5, 10, 11, 12, 20, 30, 31, 32} {
		if n := len(ps.Describe(got(ps, key(p, 1))).Ancestors); n > 3 || p == 20 && n == 0 {
			t.Errorf("process %d has %d ancestors", p, n)
		}
		ps.Tree(got(ps, key(p, 1)))
	}
}

func TestRoomForProcesses(t *testing.T) {
	ps := NewProcesses(2)
	ps.Fork(key(1, 0), ProcessKey{}, "a")
	ps.Fork(key(2, 0), key(1, 0), "b")
	ps.Fork(key(3, 0), key(2, 0), "c")
	ps.Exec(key(3, 0), key(2, 0), "c", "/c", "", 0)
	if ps.Found(key(4, 0), key(3, 0), "d") {
		t.Error("to be told of one that there is no room for")
	}
	ps.Tell(key(4, 0), "/d", "", 0)
	ps.Exit(key(3, 0))
	ps.Fork(key(2, 0), key(1, 0), "b") // told twice: it is known
	if ps.Len() != 2 || ps.Refused() != 3 || got(ps, key(3, 0)) != nil {
		t.Errorf("%d known, %d refused", ps.Len(), ps.Refused())
	}
	if d := ps.Describe(nil); d.Exe != "" || d.Args != "" || d.ArgsCut || d.Ancestors != nil {
		t.Errorf("nobody is %+v", d)
	}
	ps.Exit(key(1, 0))
	ps.Step()
	ps.Step()
	if ps.Fork(key(3, 0), key(2, 0), "c"); got(ps, key(3, 0)) == nil || ps.Refused() != 3 {
		t.Error("there is room again")
	}
}

// For the race detector: events, looks and steps at once.
func TestProcessesAtOnce(t *testing.T) {
	ps := NewProcesses(500)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				k, parent := key(g*1000+i+2, 1), key(g*1000+i+1, 1)
				ps.Fork(k, parent, "a")
				ps.Exec(k, parent, "b", "/b", "b", 1)
				if p := got(ps, k); p != nil {
					ps.Describe(p)
					ps.Tree(p)
				}
				ps.Exit(parent)
				if g == 0 {
					ps.Look()
					ps.Found(k, parent, "c")
					ps.Tell(k, "/c", "", 0)
					ps.AllFound()
				}
				if g == 1 {
					ps.Step()
				}
				_, _ = ps.Len(), ps.Refused()
			}
		})
	}
	wg.Wait()
	ps.Look()
	ps.AllFound()
	ps.Step()
	ps.Step()
	if ps.Len() != 0 {
		t.Errorf("%d are left", ps.Len())
	}
}

func FuzzProcesses(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 2, 1, 1, 2, 1, 2, 1, 0, 7, 0, 0, 7, 0, 0})
	f.Add([]byte{3, 0, 0, 4, 1, 2, 4, 2, 1, 5, 1, 0, 6, 0, 0, 7, 0, 0})
	f.Add(slices.Repeat([]byte{3, 0, 0, 4, 1, 2, 0, 3, 1, 6, 0, 0, 2, 1, 0, 7, 0, 0}, 10))
	f.Fuzz(func(t *testing.T, events []byte) {
		const limit = 64
		ps := NewProcesses(limit)
		var held *Process
		for ; len(events) >= 3; events = events[3:] {
			k, parent := key(int(events[1]%32), int(events[1])), key(int(events[2]%32), int(events[2]))
			switch events[0] % 8 {
			case 0:
				ps.Fork(k, parent, "f")
			case 1:
				ps.Exec(k, parent, "e", "/e", "e", 1)
			case 2:
				ps.Exit(k)
			case 3:
				ps.Look()
			case 4:
				ps.Found(k, parent, "l")
			case 5:
				ps.Tell(k, "/t", "t", 1)
			case 6:
				ps.AllFound()
			case 7:
				ps.Step()
			}
			if n := ps.Len(); n > limit {
				t.Fatalf("%d known", n)
			}
			p := got(ps, k)
			if p == nil {
				p = held
			}
			if p == nil {
				continue
			}
			held = p
			if n := len(ps.Describe(p).Ancestors); n > 33 {
				t.Fatalf("%d ancestors", n)
			}
			if root, _ := ps.Tree(p); root.TGID == initTGID && p.key.TGID != initTGID {
				t.Fatal("init is above a tree")
			}
		}
	})
}
