package recording

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
)

// crowd is a machine whose processes fork, run other programs, take names and exit at any time, also between an edge and the end of its
// step, as events come.
type crowd struct {
	rand  *rand.Rand
	ps    *identity.Processes
	alive []identity.ProcessKey
	ran   []identity.ProcessKey // whatever a process does, it runs for it: its slice comes with the next edge
	once  []identity.ProcessKey // of the edge before: a slice may come later still, when who exited is forgotten
	next  uint32
	edge  engine.Edge
}

func (c *crowd) CPUs() int                { return 1 }
func (c *crowd) Domains() []energy.Domain { return []energy.Domain{{Name: "package-0", Die: -1}} }

func (c *crowd) happen(n int) {
	for range n {
		i := c.rand.IntN(len(c.alive))
		k := c.alive[i]
		c.ran = append(c.ran, k)
		switch c.rand.IntN(5) {
		case 0, 1:
			c.next++
			child := identity.ProcessKey{TGID: c.next, Start: time.Duration(c.next)}
			c.ps.Fork(child, k, "sh")
			c.alive, c.ran = append(c.alive, child), append(c.ran, child)
		case 2:
			c.ps.Exec(k, identity.ProcessKey{}, fmt.Sprint("p", c.rand.IntN(9)), "/bin/p", "p\x00"+fmt.Sprint(c.rand.IntN(99)), 300)
		case 3:
			c.ps.Rename(k, fmt.Sprint("n", c.rand.IntN(9)))
		case 4:
			if len(c.alive) > 3 {
				c.ps.Exit(k)
				c.alive = append(c.alive[:i], c.alive[i+1:]...)
			}
		}
	}
}

func (c *crowd) Next(e *engine.Edge) error {
	c.happen(5)
	c.edge.At += time.Second
	c.edge.Wall = time.Unix(int64(c.edge.At/time.Second), 0)
	c.edge.Samples = make([]energy.Sample, 1)
	c.edge.Usages = c.edge.Usages[:0]
	hidden := identity.ProcessKey{TGID: 1_000_000 + uint32(c.rand.IntN(20)), Start: 7} // nothing tells of these
	for _, k := range append(append(append([]identity.ProcessKey{hidden}, c.ran...), c.once...), c.alive[:1+c.rand.IntN(len(c.alive))]...) {
		c.edge.Usages = append(c.edge.Usages, bpf.Usage{Account: bpf.Account{TGID: k.TGID, Start: k.Start, Cgroup: 1}, Time: 1, Comm: "x"})
	}
	c.ran, c.once = c.once[:0], c.ran
	*e = copyEdge(e, &c.edge)
	return nil
}

// program has every other hidden process in /proc.
func (c *crowd) program(k identity.ProcessKey) (exe, args string, argsSize int) {
	if k.TGID >= 1_000_000 && k.TGID%2 == 0 {
		return "/hidden", "hidden", 6
	}
	return "", "", 0
}

// who is what an engine would see of an edge's accounts, in its place: between the edge and the end of the step.
func who(ps *identity.Processes, e *engine.Edge) (all []string) {
	for i := range e.Usages {
		p, comm := ps.Get(identity.ProcessKey{TGID: e.Usages[i].TGID, Start: e.Usages[i].Start})
		all = append(all, fmt.Sprintf("%d %v %q %+v", e.Usages[i].TGID, p != nil, comm, ps.Describe(p)))
	}
	return all
}

// At every edge a reader knows the processes that the recorder knew, and no others.
func TestIdentityFollows(t *testing.T) {
	c := &crowd{rand: rand.New(rand.NewPCG(3, 4)), ps: identity.NewProcesses(1000), next: 1}
	root := identity.ProcessKey{TGID: 1, Start: 1}
	c.ps.Found(root, identity.ProcessKey{}, "init")
	c.alive = append(c.alive, root)
	asked := map[identity.ProcessKey]int{}
	parts := engine.Parts{Edges: c, Processes: c.ps, Cgroups: identity.OpenCgroups(""), Program: func(k identity.ProcessKey) (string, string, int) {
		asked[k]++
		return c.program(k)
	}}
	parts.BootTime = time.Unix(1, 0)
	var file bytes.Buffer
	rec, err := Record(&parts, Header{PUE: 1, Processes: 1000}, &file)
	if err != nil {
		t.Fatal(err)
	}
	rec.Start()
	var want [][]string
	var e engine.Edge
	for step := range 500 {
		if err := rec.Next(&e); err != nil {
			t.Fatal(err)
		}
		if step == 0 {
			want = append(want, nil)
			continue
		}
		clear(asked)
		for i := range e.Usages { // as an engine asks again for those that are not known
			if k := (identity.ProcessKey{TGID: e.Usages[i].TGID, Start: e.Usages[i].Start}); k.TGID >= 1_000_000 {
				parts.Program(k)
			}
		}
		if len(asked) > 0 && e.Usages[0].TGID%2 == 1 {
			t.Fatalf("step %d: asked twice for %v", step, asked)
		}
		want = append(want, who(c.ps, &e))
		if len(rec.written) > c.ps.Len()+60 { // and some that were parents
			t.Fatalf("step %d: %d processes are kept of %d", step, len(rec.written), c.ps.Len())
		}
		c.happen(3)
		c.ps.Step()
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(&file)
	if err != nil {
		t.Fatal(err)
	}
	known, most := 0, 0
	for step := range want {
		if err := r.Next(&e); err != nil {
			t.Fatal(step, err, r.Cut())
		}
		if step == 0 {
			if len(e.Usages) > 0 {
				t.Error("the baseline has usages, which are nobody's")
			}
			continue
		}
		for i, got := range who(r.processes, &e) {
			if got != want[step][i] {
				t.Fatalf("step %d:\ngot  %s\nwant %s", step, got, want[step][i])
			}
		}
		known += len(e.Usages)
		most = max(most, len(r.alive))
		r.processes.Step()
	}
	if known < 1000 || r.processes.Len() > c.ps.Len()+3 || len(r.alive) > r.processes.Len() {
		t.Errorf("%d accounts; %d processes are remembered of %d, %d alive", known, r.processes.Len(), c.ps.Len(), len(r.alive))
	}
}

// Tables that are full begin anew, and nothing is lost by that.
func TestChapters(t *testing.T) {
	c := identity.OpenCgroups("")
	var file bytes.Buffer
	parts := engine.Parts{Edges: &crowd{}, Cgroups: c, Containers: &lateNames{step: 20}, BootTime: time.Unix(1, 0)}
	rec, err := Record(&parts, Header{PUE: 1}, &file)
	if err != nil {
		t.Fatal(err)
	}
	const edges, perEdge = 30, 5000
	path := func(id uint64) string { return fmt.Sprintf("/docker/%064x", id) }
	base := engine.Edge{Wall: time.Unix(1, 0), Samples: make([]energy.Sample, 1)}
	if err := rec.write(&base); err != nil {
		t.Fatal(err)
	}
	at := func(i, n int) (uint64, bpf.Usage) {
		id := uint64(100 + i*20 + n%20)
		return id, bpf.Usage{Account: bpf.Account{TGID: uint32(1 + i*perEdge + n), Start: 1, Cgroup: id}, Time: 1}
	}
	most := 0
	for i := range edges {
		e := base
		e.At = time.Duration(i)
		for n := range perEdge {
			id, u := at(i*10, n) // 20 new cgroups, each a container
			c.Made(id, path(id))
			e.Usages = append(e.Usages, u)
		}
		for n := range 200 { // and 200 in which little runs
			c.Made(uint64(10_000+i*200+n), path(uint64(10_000+i*200+n)))
			e.Usages = append(e.Usages, bpf.Usage{Account: bpf.Account{TGID: 1, Start: 1, Cgroup: uint64(10_000 + i*200 + n)}})
		}
		if err := rec.write(&e); err != nil {
			t.Fatal(err)
		}
		most = max(most, len(rec.w.who))
	}
	if err := rec.w.s.finish(rec.w.edges); err != nil {
		t.Fatal(err)
	}
	r, err := Open(&file)
	if err != nil {
		t.Fatal(err)
	}
	chapters, last := 0, 0
	for i := -1; i < edges; i++ {
		var e engine.Edge
		if err := r.Next(&e); err != nil {
			t.Fatal(i, err, r.Cut())
		}
		if len(r.who) < last {
			chapters++
		}
		last = len(r.who)
		if i < 0 {
			continue
		}
		for n := range perEdge {
			id, want := at(i*10, n)
			if e.Usages[n] != want {
				t.Fatalf("edge %d: usage %d is %+v, want %+v", i, n, e.Usages[n], want)
			}
			cg := r.cgroups.Of(id)
			if in, ok := r.names.Get(keyOf(cg)); cg.Path != path(id) || !ok || in.Name != "name-"+cg.Tenant.Container[60:] {
				t.Fatalf("edge %d: cgroup %+v, container %+v", i, cg, in)
			}
		}
	}
	if chapters < 2 || most > chapterWho+perEdge+200 || len(r.names.young) > maxContainers || len(r.told) > maxCgroups {
		t.Errorf("%d chapters, %d at most in the table of who, %d containers, %d cgroups", chapters, most, len(r.names.young), len(r.told))
	}
}

// A recording of threads can be shown by process.
func TestJoinThreads(t *testing.T) {
	var file bytes.Buffer
	w, err := newWriter(&file, filledHeader(t))
	if err != nil {
		t.Fatal(err)
	}
	e := engine.Edge{Wall: time.Unix(1, 0), Samples: make([]energy.Sample, 2)}
	for tid := range uint32(3) {
		e.Usages = append(e.Usages, bpf.Usage{Account: bpf.Account{TGID: 9, TID: 9 + tid}, Time: 1})
	}
	if err := w.edge(&e); err != nil || w.s.finish(1) != nil {
		t.Fatal(err)
	}
	for _, join := range []bool{false, true} {
		r, err := Open(bytes.NewReader(file.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if join {
			r.JoinThreads()
		}
		var got engine.Edge
		if err := r.Next(&got); err != nil {
			t.Fatal(err)
		}
		for i, u := range got.Usages {
			if join && u.TID != 0 || !join && u.TID != 9+uint32(i) {
				t.Errorf("joined %v: %+v", join, u)
			}
		}
	}
}
