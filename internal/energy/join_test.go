package energy

import (
	"slices"
	"testing"
	"time"
)

// sharing is a source of two domains whose second one is used by a process.
type sharing struct{ Source }

func (s sharing) Shares(into []Share) []Share {
	return append(into, Share{Domain: 1, PID: 7, Busy: time.Second})
}

func TestJoin(t *testing.T) {
	two := NewEstimate([]ZoneModel{{Socket: 0, Die: -1, CPUs: []int{0}, Watts: linear}, {Socket: 1, Die: -1, CPUs: []int{1}, Watts: linear}})
	s := Join(NewMemory(watts(3), "m"), sharing{two}, sharing{two})
	var names []string
	for _, d := range s.Domains() {
		names = append(names, d.Name)
	}
	if want := []string{"estimate:ram", "estimate:package-0", "estimate:package-1", "estimate:package-0", "estimate:package-1"}; !slices.Equal(names, want) {
		t.Errorf("domains %q, want %q", names, want)
	}
	if got, want := s.(Sharer).Shares(nil), []Share{{2, 7, time.Second}, {4, 7, time.Second}}; !slices.Equal(got, want) {
		t.Errorf("shares %v, want %v", got, want)
	}
	out := make([]Sample, 5)
	s.Read(Edge{Look: true, Busy: busy(0, 0)}, out)
	s.Read(Edge{Time: 2 * time.Second, Look: true, Busy: busy(0, 2000)}, out[:3])
	for i, want := range []int64{6e6, 10e6, 50e6, 0, 0} {
		if int64(out[i].Energy) != want {
			t.Errorf("domain %d: %v, want %d", i, out[i].Energy, want)
		}
	}
	if alone := Join(two); alone != two {
		t.Error("one source alone is another one")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Memory's power goes on whether anybody looks or not; its energy is told when somebody does.
func TestMemory(t *testing.T) {
	m, out := NewMemory(watts(3), "m"), make([]Sample, 1)
	for i, c := range []struct {
		at   time.Duration
		look bool
		want int64
	}{{5 * time.Second, true, 0}, {6 * time.Second, false, 0}, {7 * time.Second, true, 6e6}, {8 * time.Second, true, 9e6}} {
		m.Read(Edge{Time: c.at, Look: c.look}, out)
		if o := out[0]; int64(o.Energy) != c.want || int64(o.Low) != c.want/2 || int64(o.High) != c.want*2 || o.Mark != "" {
			t.Errorf("read %d: %+v, want %d", i, o, c.want)
		}
	}
	m.Read(Edge{Time: time.Second, Look: true}, out)
	if out[0].Energy != 9e6 || out[0].Mark == "" {
		t.Errorf("time back: %+v", out[0])
	}
	bad := NewMemory(Bounds{1, 2, 3}, "")
	bad.Read(Edge{Look: true}, out)
	bad.Read(Edge{Time: time.Second, Look: true}, out)
	if out[0].Energy != 0 || out[0].Mark == "" {
		t.Errorf("bad model: %+v", out[0])
	}
	m.Read(Edge{}, nil)
}

func TestModelsAllocateNothing(t *testing.T) {
	d := newDisks(t)
	d.add("sda", "device/x=1 size=2000")
	d.stat(diskLine("sda", 0, 0), diskLine("loop0", 0, 0))
	s := Join(NewMemory(watts(3), "m"), d.open(), twoCPUs())
	out, edge := make([]Sample, 3), Edge{Busy: busy(0, 0, 0, 0), Look: true}
	read := func() { edge.Time += time.Second; s.Read(edge, out) }
	read()
	if n := testing.AllocsPerRun(100, read); n != 0 {
		t.Errorf("%v allocations per read", n)
	}
}
