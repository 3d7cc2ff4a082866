package recording

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
)

// throughFile writes edges and reads them, the slices of one used for the next as an engine does.
func throughFile(t *testing.T, edges []engine.Edge) (got []engine.Edge) {
	t.Helper()
	var file bytes.Buffer
	w, err := newWriter(&file, filledHeader(t)) // of 4 CPUs and 2 domains
	if err != nil {
		t.Fatal(err)
	}
	for i := range edges {
		edges[i].At, edges[i].Wall = time.Duration(i)*time.Second, time.Unix(1000+int64(i), 0)
		edges[i].Samples = make([]energy.Sample, 2)
		if err := w.edge(&edges[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.s.finish(uint64(len(edges))); err != nil {
		t.Fatal(err)
	}
	r, err := Open(&file)
	if err != nil {
		t.Fatal(err)
	}
	for e := (engine.Edge{}); r.Next(&e) == nil; {
		c := copyEdge(&engine.Edge{}, &e)
		c.Interrupts, c.KHz, c.Reserved = clone(e.Interrupts), clone(e.KHz), clone(e.Reserved)
		got = append(got, c)
	}
	if r.Cut() != "" {
		t.Fatal(r.Cut())
	}
	return got
}

// clone copies a slice; one that is empty and not nil stays so.
func clone[T any](s []T) []T {
	if s == nil {
		return nil
	}
	return append([]T{}, s...)
}

// What an edge tells of interrupts, frequencies and reservations comes and goes, and "nobody asked" is not "none".
func TestSplitPartsComeAndGo(t *testing.T) {
	type parts struct {
		interrupts []time.Duration
		khz        []int64
		reserved   []engine.Reservation
	}
	a, b := engine.Reservation{Cgroup: 7, Parts: 400_000}, engine.Reservation{Cgroup: 1 << 63, Parts: 600_000}
	want := []parts{
		{},
		{[]time.Duration{5, 6, 7, 8}, []int64{3_000_000, 0, 800_000, maxKHz}, []engine.Reservation{a}},
		{[]time.Duration{5, 9, 7, 8}, []int64{0, 2_000_000, 800_001, 0}, []engine.Reservation{a}},
		{nil, nil, nil},
		{[]time.Duration{6, 9, 7, 100}, []int64{1, 2, 3, 4}, []engine.Reservation{a}}, // as it was before it was not asked for
		{nil, nil, nil},
		{nil, []int64{1, 2, 3, 4}, []engine.Reservation{}},
		{[]time.Duration{6, 9, 7, 100}, nil, []engine.Reservation{a, b}},
		{nil, nil, []engine.Reservation{b, a}},
	}
	edges := make([]engine.Edge, len(want))
	for i, p := range want {
		edges[i].Interrupts, edges[i].KHz, edges[i].Reserved = p.interrupts, p.khz, p.reserved
	}
	edges[3].Interrupts, edges[3].KHz = []time.Duration{}, []int64{} // it could not be read: as if nobody had asked
	got := throughFile(t, edges)
	if len(got) != len(want) {
		t.Fatalf("%d edges of %d", len(got), len(want))
	}
	for i, e := range got {
		if p := (parts{e.Interrupts, e.KHz, e.Reserved}); !reflect.DeepEqual(p, want[i]) {
			t.Errorf("edge %d: got %+v, want %+v", i, p, want[i])
		}
	}
}

// A writer is given what a machine said: it writes no edge that a reader refuses.
func TestSplitPartsAreHeldToWhatIsPossible(t *testing.T) {
	u := bpf.Usage{Account: bpf.Account{TGID: 1, Start: 1}, Time: 10, Beside: 11, Counted: 1<<64 - 1, Resident: -1}
	v := bpf.Usage{Account: bpf.Account{TGID: 2, Start: 1}, Time: 10, Beside: -1, Counted: 3}
	got := throughFile(t, []engine.Edge{{}, {
		Usages: []bpf.Usage{u, v}, Interrupts: []time.Duration{3}, KHz: []int64{-1, 1 << 40},
		Reserved: []engine.Reservation{{Cgroup: 1, Parts: 900_000}, {Cgroup: 2, Parts: -5}, {Cgroup: 3, Parts: 200_000}, {Cgroup: 4, Parts: 1}},
	}, {Interrupts: []time.Duration{2, 1, 0, 0, 9}}})
	if len(got) != 3 || len(got[1].Usages) != 2 {
		t.Fatalf("%+v", got)
	}
	e := &got[1]
	if u, v := e.Usages[0], e.Usages[1]; u.Beside != 10 || u.Counted != maxCounted || u.Resident != 0 || v.Beside != 0 || v.Counted != 3 {
		t.Errorf("%+v, %+v", u, v)
	}
	if want := []int64{0, maxKHz, 0, 0}; !reflect.DeepEqual(e.KHz, want) {
		t.Errorf("kHz %v, want %v", e.KHz, want)
	}
	if want := []engine.Reservation{{Cgroup: 1, Parts: 900_000}, {Cgroup: 2}, {Cgroup: 3, Parts: 100_000}, {Cgroup: 4}}; !reflect.DeepEqual(e.Reserved, want) {
		t.Errorf("reserved %v, want %v", e.Reserved, want)
	}
	if want := []time.Duration{3, 0, 0, 0}; !reflect.DeepEqual(e.Interrupts, want) {
		t.Errorf("interrupts %v, want %v", e.Interrupts, want)
	}
	if want := []time.Duration{3, 1, 0, 0}; !reflect.DeepEqual(got[2].Interrupts, want) { // they never go down
		t.Errorf("interrupts %v, want %v", got[2].Interrupts, want)
	}
}

// edgeRecord is an edge of a file of fileOf, which has 4 CPUs and 6 domains: one usage of who 0 that ran for 10 ns, and then the parts.
func edgeRecord(flags uint64, parts ...uint64) []byte {
	b := binary.AppendUvarint(nil, flags)
	b = append(b, make([]byte, 4+6*4)...)
	b = append(b, 1, 0, 0, 10, 1)
	for _, v := range parts {
		b = binary.AppendUvarint(b, v)
	}
	return append(binary.AppendUvarint([]byte{recordEdge}, uint64(len(b))), b...)
}

func signed(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

func TestHostileSplitParts(t *testing.T) {
	who := []byte{recordWho, 11, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'x'}
	tooMany := []uint64{maxReserved + 1}
	for range maxReserved + 1 {
		tooMany = append(tooMany, 1, 0)
	}
	for name, c := range map[string]struct {
		ok    bool
		flags uint64
		parts []uint64
	}{
		"beside":               {true, edgeBeside, []uint64{10}},
		"beside beyond time":   {false, edgeBeside, []uint64{11}},
		"no beside":            {false, edgeBeside, nil},
		"counted":              {true, edgeCounted, []uint64{maxSum}},
		"counted too many":     {false, edgeCounted, []uint64{maxSum + 1}},
		"interrupts":           {true, edgeInterrupts, []uint64{1, 2, 3, 4}},
		"resident":             {true, edgeResident, []uint64{signed(maxSum)}},
		"resident below zero":  {false, edgeResident, []uint64{signed(-1)}},
		"resident too much":    {false, edgeResident, []uint64{signed(maxSum + 1)}},
		"three CPUs":           {false, edgeInterrupts, []uint64{1, 2, 3}},
		"interrupts too long":  {false, edgeInterrupts, []uint64{maxSum, 1, 0, 0}},
		"frequencies":          {true, edgeKHz, []uint64{signed(maxKHz), 0, 0, 0}},
		"too fast":             {false, edgeKHz, []uint64{signed(maxKHz + 1), 0, 0, 0}},
		"below zero":           {false, edgeKHz, []uint64{signed(-1), 0, 0, 0}},
		"reservations":         {true, edgeReservedNew, []uint64{2, 1, 400_000, 2, 600_000}},
		"more than all":        {false, edgeReservedNew, []uint64{2, 1, 400_000, 2, 600_001}},
		"one above all":        {false, edgeReservedNew, []uint64{1, 1, 1 << 63}},
		"never told":           {true, edgeReserved, nil},
		"claimed only":         {false, edgeReservedNew, []uint64{1 << 16}},
		"too many":             {false, edgeReservedNew, tooMany},
		"all of them":          {true, edgeBeside | edgeCounted | edgeInterrupts | edgeKHz | edgeReservedNew, []uint64{9, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		"parts of a later day": {true, 1 << 40, []uint64{1, 2, 3}},
	} {
		var e engine.Edge
		file := fileOf(t, append(bytes.Clone(who), edgeRecord(c.flags, c.parts...)...))
		r, err := Open(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Next(&e); (err == nil) != c.ok {
			t.Errorf("%s: %v; %s", name, err, r.Cut())
		}
		if !c.ok && !r.Damaged() {
			t.Errorf("%s: it is not damaged: %q", name, r.Cut())
		}
		checkHostile(t, file)
	}
}

// holds tells that all of what is in want is in got; got may have more.
func holds(got, want any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		if list, ok := want.([]any); ok {
			g, _ := got.([]any)
			if len(g) != len(list) {
				return false
			}
			for i := range list {
				if !holds(g[i], list[i]) {
					return false
				}
			}
			return true
		}
		return reflect.DeepEqual(got, want)
	}
	g, _ := got.(map[string]any)
	for key, v := range w {
		if has, ok := g[key]; !ok || !holds(has, v) {
			return false
		}
	}
	return true
}

// A recording by the first program that made them is read as that program read it: testdata/first.json is what it found, edge by edge.
func TestFirstRecordingsAreRead(t *testing.T) {
	file, err := os.ReadFile("testdata/first.rec")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/first.json")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(bytes.NewReader(text))
	lines.UseNumber()
	n := 0
	for ; ; n++ {
		var e engine.Edge
		var want, got any
		if errRead, errWant := r.Next(&e), lines.Decode(&want); errRead != nil || errWant != nil {
			if errRead != io.EOF || errWant != io.EOF {
				t.Fatal(n, errRead, errWant)
			}
			break
		}
		e.Wall = e.Wall.UTC()
		b, err := json.Marshal(&e)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if !holds(got, want) {
			t.Errorf("edge %d:\ngot  %s\nwant %v", n, b, want)
		}
		if e.Interrupts != nil || e.KHz != nil || e.Reserved != nil {
			t.Errorf("edge %d: what was not recorded is there: %+v", n, &e)
		}
	}
	if n != 13 || r.Cut() != "" {
		t.Errorf("%d edges; %s", n, r.Cut())
	}
	if h := r.Header(); h.Siblings || h.Frequency != "" || h.Counter != "" || h.Reserved || h.Topology[0].Sibling != 0 {
		t.Errorf("%+v", h)
	}
}

type noFrequency struct{}

func (noFrequency) Read([]int64) error { return nil }

// What an engine's ranges and splits go by beside the edges is the recorder's, so that a replay shows the same.
func TestSplitPartsOfAnEngine(t *testing.T) {
	for _, asked := range []bool{false, true} {
		m := newMachine(1, 1)
		parts := m.parts()
		parts.FrequencyHow, parts.OneFrequency, parts.Tick, parts.DRAM = "cpufreq", asked, 4*time.Millisecond, "cache_misses"
		if asked {
			parts.Frequency = noFrequency{}
			parts.Reserved = func(into []engine.Reservation) []engine.Reservation { return into }
		}
		var file bytes.Buffer
		if _, err := Record(&parts, Header{PUE: 1, Siblings: true, Counter: "cache-misses", Resident: true}, &file); err != nil {
			t.Fatal(err)
		}
		r, err := Open(&file)
		if err != nil {
			t.Fatal(err)
		}
		h, p := r.Header(), r.Parts()
		if how := map[bool]string{true: "cpufreq"}[asked]; h.Frequency != how || p.FrequencyHow != how {
			t.Errorf("asked %t: frequencies by %q, %q", asked, h.Frequency, p.FrequencyHow)
		}
		if h.Reserved != asked || p.OneFrequency != asked || p.Tick != 4*time.Millisecond || p.DRAM != "cache_misses" ||
			!h.Siblings || !h.Resident || h.Counter != "cache-misses" {
			t.Errorf("asked %t: header %+v, parts %+v", asked, h, p)
		}
	}
}

// A recording that no reader takes is not begun, or ends with an error.
func TestTooManyReservations(t *testing.T) {
	w, err := newWriter(io.Discard, filledHeader(t))
	if err != nil {
		t.Fatal(err)
	}
	e := engine.Edge{Wall: time.Unix(1000, 0), Samples: make([]energy.Sample, 2), Reserved: make([]engine.Reservation, maxReserved)}
	if err := w.edge(&e); err != nil {
		t.Error(err)
	}
	e.Reserved = append(e.Reserved, engine.Reservation{})
	if err := w.edge(&e); !errors.Is(err, errTooMany) {
		t.Errorf("%v, want %v", err, errTooMany)
	}
}

// What differs from edge to edge is no part of who an account is: the table would grow with each.
func TestAccountsAreTheSame(t *testing.T) {
	w, err := newWriter(io.Discard, filledHeader(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		u := bpf.Usage{Account: bpf.Account{TGID: 1, Start: 1}, CPU: i % 4, Time: time.Duration(100 + i), Switches: uint64(i), Beside: time.Duration(i), Counted: uint64(i), Resident: int64(i)}
		if err := w.edge(&engine.Edge{Wall: time.Unix(1000, 0), Samples: make([]energy.Sample, 2), Usages: []bpf.Usage{u}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.who) != 1 {
		t.Errorf("one account stands %d times in the table", len(w.who))
	}
}

// Another program may be written from the page: these bits stay.
func TestBitsOfThePage(t *testing.T) {
	for bit, want := range map[int]int{
		edgeBusy: 1, edgeLooked: 2, edgeOverflow: 4, edgeShares: 8, edgeLosses: 16, edgeBeside: 32, edgeCounted: 64, edgeResident: 128,
		edgeInterrupts: 256, edgeKHz: 512, edgeReserved: 1024, edgeReservedNew: 2048,
	} {
		if bit != want {
			t.Errorf("%d is %d on the page", bit, want)
		}
	}
}

// In another chapter an account is told of anew, its memory too.
func TestMemoryInChapters(t *testing.T) {
	var file bytes.Buffer
	w, err := newWriter(&file, filledHeader(t))
	if err != nil {
		t.Fatal(err)
	}
	e := engine.Edge{Wall: time.Unix(1000, 0), Samples: make([]energy.Sample, 2), Usages: []bpf.Usage{{Account: bpf.Account{TGID: 1, Start: 1}}}}
	want := []int64{500, 700, 3}
	for _, e.Usages[0].Resident = range want {
		if err := errors.Join(w.chapter(), w.edge(&e)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.s.finish(3); err != nil {
		t.Fatal(err)
	}
	edges, r := edgesOf(t, file.Bytes())
	for i, e := range edges {
		if got := e.Usages[0].Resident; got != want[i] {
			t.Errorf("edge %d: %d bytes, want %d", i, got, want[i])
		}
	}
	if len(edges) != 3 || r.Cut() != "" {
		t.Errorf("%d edges; %s", len(edges), r.Cut())
	}
}

// How long an edge took is multiplied with CPUs.
func TestLongestEdge(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{5: 5, maxTook: maxTook, maxSum: maxTook} {
		if got := throughFile(t, []engine.Edge{{Took: took}}); len(got) != 1 || got[0].Took != want {
			t.Errorf("%v: %+v, want %v", took, got, want)
		}
	}
}
