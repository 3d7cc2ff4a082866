package identity

import (
	"reflect"
	"slices"
	"testing"
)

// A field that is added to Process, and that Told does not tell, makes this fail.
func TestToldTellsAll(t *testing.T) {
	told := map[string]string{
		"key": "Key", "parent": "Parent", "comm": "Comm", "exe": "Exe", "args": "Args", "argsSize": "ArgsSize", "exited": "Exited",
		"born":  "", // what Parent will be, once it is found
		"depth": "", // follows from the parents
		"seen":  "", // of looks, which a recording has none of
	}
	p := reflect.TypeFor[Process]()
	for i := range p.NumField() {
		name := p.Field(i).Name
		to, ok := told[name]
		if _, is := reflect.TypeFor[Told]().FieldByName(to); !ok || to != "" && !is {
			t.Errorf("Process.%s is not told", name)
		}
	}
}

// Processes that are recalled from what others told are described as those.
func TestRecallIsWhatWasTold(t *testing.T) {
	was, now := NewProcesses(100), NewProcesses(100)
	key := func(n int) ProcessKey { return ProcessKey{TGID: uint32(n), Start: 10} }
	was.Found(key(1), ProcessKey{}, "init")
	for n := 2; n < 60; n++ { // longer than chains are kept
		was.Fork(key(n), key(n-1), "sh")
		was.Exec(key(n), key(n-1), "prog", "/bin/prog", "prog\x00-x", 300)
	}
	for n := 1; n < 60; n++ {
		first := true
		was.Lineage(key(n), func(got Told) bool {
			if first {
				now.Recall(got)
			}
			first = false
			return false
		})
	}
	for n := 1; n < 60; n++ {
		a, aName := was.Get(key(n))
		b, bName := now.Get(key(n))
		if aName != bName || !reflect.DeepEqual(was.Describe(a), now.Describe(b)) {
			t.Fatalf("process %d:\nwas %q %+v\nnow %q %+v", n, aName, was.Describe(a), bName, now.Describe(b))
		}
	}
}

// Who exited in this step is told apart from who did in the step before, and recalled so it is forgotten as soon.
func TestExiting(t *testing.T) {
	ps := NewProcesses(100)
	for n := range uint32(4) {
		ps.Found(ProcessKey{TGID: n}, ProcessKey{}, "x")
	}
	ps.Exit(ProcessKey{TGID: 0})
	ps.Step()
	ps.Exit(ProcessKey{TGID: 1})
	ps.ExitedBefore(ProcessKey{TGID: 2})
	ps.ExitedBefore(ProcessKey{TGID: 1}) // it is told already
	keys, now := ps.Exiting(nil)
	if want := []ProcessKey{{TGID: 0}, {TGID: 2}, {TGID: 1}}; !slices.Equal(keys, want) || now != 1 {
		t.Errorf("%v, %d of this step", keys, now)
	}
	for step, want := range []int{2, 1, 1} {
		if ps.Step(); ps.Len() != want {
			t.Errorf("after %d steps: %d remembered, want %d", step+1, ps.Len(), want)
		}
	}
}

func TestRecallCgroups(t *testing.T) {
	c := OpenCgroups("")
	if got := c.Of(7).Path; got != "cgroup:7" || c.Unknown() != 1 {
		t.Fatal(got, c.Unknown())
	}
	c.Recall(7, "/system.slice/a.service")
	if cg := c.Of(7); cg.Path != "/system.slice/a.service" || cg.Tenant.Unit != "a.service" || c.Unknown() != 0 {
		t.Errorf("%+v, %d unknown", cg, c.Unknown())
	}
	u := UsersOf(map[uint32]string{5: "eve"})
	if u.Name(5) != "eve" || u.Name(6) != "6" || !u.Has("eve") || len(u.All()) != 1 {
		t.Errorf("%+v", u)
	}
}
