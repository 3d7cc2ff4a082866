package recording

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
)

// allocated is how many bytes a function allocates, freed or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A length is only a claim: no room is made for it.
func TestLengthsAreBounded(t *testing.T) {
	huge := binary.AppendUvarint(nil, 1<<30)
	large := binary.AppendUvarint(nil, 1<<20)
	base := []byte{0, 0, 0, 0, 0} // an edge without anything, up to its samples
	for range 6 {
		base = append(base, 0, 0, 0, 0)
	}
	edge := func(flags byte, rest ...[]byte) []byte {
		b := append([]byte{flags}, base[1:]...)
		for _, r := range rest {
			b = append(b, r...)
		}
		return append(binary.AppendUvarint([]byte{recordEdge}, uint64(len(b))), b...)
	}
	header := fileOf(t, nil)[:len(magic)+1]
	for name, file := range map[string][]byte{
		"header":           append(append(append(bytes.Clone(header), frameHeader), huge...), 0, 0, 0, 0),
		"frame":            append(append(append(fileOf(t, nil)[:len(fileOf(t, nil))-7], frameData), huge...), 0, 0, 0, 0),
		"record":           fileOf(t, append([]byte{recordEdge}, huge...)),
		"usages":           fileOf(t, edge(0, large)),
		"tasks":            fileOf(t, edge(edgeLooked, []byte{0}, large)),
		"shares":           fileOf(t, edge(edgeShares, []byte{0}, large)),
		"overflow":         fileOf(t, edge(edgeOverflow, []byte{0}, large)),
		"text":             fileOf(t, append([]byte{recordCgroup, 6, 1}, huge...)),
		"labels":           fileOf(t, append([]byte{recordContainer, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0}, large...)),
		"a bomb":           fileOf(t, append(binary.AppendUvarint([]byte{recordEdge}, 64<<20), make([]byte, 64<<20)...)),
		"a record's bytes": fileOf(t, append(binary.AppendUvarint([]byte{recordEdge}, maxRecord), make([]byte, 100)...)),
	} {
		got := allocated(func() {
			r, err := Open(bytes.NewReader(file))
			if err == nil {
				err = r.Next(&engine.Edge{})
			}
			if err == nil {
				t.Errorf("%s: nothing is wrong", name)
			}
		})
		if got > 2<<20 {
			t.Errorf("%s: %d bytes allocated", name, got)
		}
	}
}

// Sums of what a file claims stay within 64 bits: one that would not is damaged there.
func TestSumsAreBounded(t *testing.T) {
	const most = time.Duration(maxSum)
	usage := func(t time.Duration) bpf.Usage { return bpf.Usage{Account: bpf.Account{TGID: 1, Start: 1}, Time: t} }
	samples := func(s energy.Sample) []energy.Sample { return []energy.Sample{s, s} }
	for name, change := range map[string]func(*engine.Edge){
		"cpu time":        func(e *engine.Edge) { e.Usages = []bpf.Usage{usage(most), usage(1)} },
		"a step's cpu":    func(e *engine.Edge) { e.Usages = []bpf.Usage{usage(1 << 58), usage(1<<58 + 1)} },
		"a step's busy":   func(e *engine.Edge) { e.BusyGood, e.Busy = true, []time.Duration{1 << 58, 1<<58 + 1} },
		"switches":        func(e *engine.Edge) { u := usage(1); u.Switches = maxSum; e.Usages = []bpf.Usage{u, u} },
		"overflow":        func(e *engine.Edge) { e.Overflow = []time.Duration{most, 1} },
		"busy":            func(e *engine.Edge) { e.BusyGood, e.Busy = true, []time.Duration{most, 1} },
		"a step's energy": func(e *engine.Edge) { e.Samples = samples(energy.Sample{Energy: maxStepEnergy/2 + 1}) },
		"a step's bounds": func(e *engine.Edge) { e.Samples = samples(energy.Sample{High: maxStepEnergy/2 + 1}) },
		"energy": func(e *engine.Edge) {
			e.Samples = samples(energy.Sample{Energy: maxSum / 2, Low: 1, High: 1})
			e.Samples[1].Energy++
		},
		"low":       func(e *engine.Edge) { e.Samples = samples(energy.Sample{Low: maxSum/2 + 1}) },
		"high":      func(e *engine.Edge) { e.Samples = samples(energy.Sample{High: maxSum/2 + 1}) },
		"idle":      func(e *engine.Edge) { e.Samples = samples(energy.Sample{Idle: maxSum/2 + 1}) },
		"idle low":  func(e *engine.Edge) { e.Samples = samples(energy.Sample{IdleLow: maxSum/2 + 1}) },
		"idle high": func(e *engine.Edge) { e.Samples = samples(energy.Sample{IdleHigh: maxSum/2 + 1}) },
		"written":   func(e *engine.Edge) { e.Samples = samples(energy.Sample{Written: maxSum/2 + 1}) },
		"shares":    func(e *engine.Edge) { e.Shares = []energy.Share{{Busy: most}, {Busy: most}} },
		"losses":    func(e *engine.Edge) { e.Losses.Missed, e.Losses.Events = maxSum, maxSum },
		"a step":    func(e *engine.Edge) { e.At += maxStep + 1 },
		"took":      func(e *engine.Edge) { e.Took = most + 1 },
		"wall":      func(e *engine.Edge) { e.Wall = time.Unix(0, -1) },
		"boot":      func(e *engine.Edge) { e.Boot = -1 },
		"cpu":       func(e *engine.Edge) { u := usage(1); u.CPU = 4; e.Usages = []bpf.Usage{u} },
		"domain":    func(e *engine.Edge) { e.Shares = []energy.Share{{Domain: 2, Busy: 1}} },
		"resident":  func(e *engine.Edge) { e.Looked, e.Tasks = true, []bpf.Task{{Usage: usage(0), Resident: -1}} },
		"held": func(e *engine.Edge) {
			e.Boot += 1000 * time.Hour
			e.Looked, e.Tasks = true, []bpf.Task{{Usage: usage(0), Resident: 1 << 41}}
		},
		"interrupts":          func(e *engine.Edge) { e.Interrupts = []time.Duration{most, 1} },
		"a step's interrupts": func(e *engine.Edge) { e.Interrupts = []time.Duration{1 << 58, 1<<58 + 1} },
		"bytes read":          func(e *engine.Edge) { e.Looked, e.Tasks = true, []bpf.Task{{Usage: usage(0), Read: 1 << 63}} },
		"none":                func(*engine.Edge) {},
	} {
		var file bytes.Buffer
		w, err := newWriter(&file, filledHeader(t))
		if err != nil {
			t.Fatal(err)
		}
		e := engine.Edge{At: time.Hour, Boot: time.Hour, Wall: time.Unix(1000, 0), Samples: make([]energy.Sample, 2)}
		if err := w.edge(&e); err != nil {
			t.Fatal(err)
		}
		change(&e)
		if err := w.edge(&e); err != nil || w.s.finish(2) != nil {
			t.Fatal(err)
		}
		r, err := Open(&file)
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		for r.Next(&engine.Edge{}) == nil {
			read++
		}
		if want := map[bool]int{true: 2, false: 1}[name == "none"]; read != want || r.Damaged() != (want == 1) {
			t.Errorf("%s: %d edges are read; %q", name, read, r.Cut())
		}
	}
}

// The time of all CPUs since the first edge stays within 64 bits.
func TestTimeIsBounded(t *testing.T) {
	var file bytes.Buffer
	w, err := newWriter(&file, filledHeader(t)) // of 4 CPUs
	if err != nil {
		t.Fatal(err)
	}
	e := engine.Edge{Wall: time.Unix(1000, 0), Samples: make([]energy.Sample, 2)}
	for range 200 {
		if err := w.edge(&e); err != nil {
			t.Fatal(err)
		}
		e.At += maxStep
	}
	if err := w.s.finish(200); err != nil {
		t.Fatal(err)
	}
	r, err := Open(&file)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for r.Next(&e) == nil {
		read++
	}
	if want := maxSum/maxStep/4 + 1; read != want || !r.Damaged() {
		t.Errorf("%d edges are read, want %d; %q", read, want, r.Cut())
	}
}

// A header that no machine can have is refused; control characters in it are shown as question marks.
func TestHostileHeaders(t *testing.T) {
	for name, change := range map[string]func(*Header){
		"no CPU":         func(h *Header) { h.CPUs = 0 },
		"many CPUs":      func(h *Header) { h.CPUs = maxCPUs + 1 },
		"topology":       func(h *Header) { h.CPUs, h.Host.CPUs, h.Host.Sockets = 1, 1, 1 },
		"online":         func(h *Header) { h.Host.CPUs = 5 },
		"sockets":        func(h *Header) { h.Host.Sockets = -1 },
		"no domain":      func(h *Header) { h.Domains = nil },
		"many domains":   func(h *Header) { h.Domains = make([]energy.Domain, maxDomains+1) },
		"nameless":       func(h *Header) { h.Domains[0].Name = "" },
		"twice":          func(h *Header) { h.Domains[0].Name = h.Domains[1].Name },
		"refresh":        func(h *Header) { h.Domains[0].Refresh = -1 },
		"boot":           func(h *Header) { h.BootTime = time.Time{} },
		"far boot":       func(h *Header) { h.BootTime = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) },
		"factor":         func(h *Header) { h.Factor.GramsPerKWh = -1 },
		"large factor":   func(h *Header) { h.Factor.GramsPerKWh = 1e300 },
		"pue":            func(h *Header) { h.PUE = 0 },
		"model":          func(h *Header) { h.Model.Max.High = 1e300 },
		"negative model": func(h *Header) { h.Model.Idle.Low = -1 },
		"curve":          func(h *Header) { h.Model.CurveLow[10] = -1e9 },
		"processes":      func(h *Header) { h.Processes = -1 },
		"users": func(h *Header) {
			for i := range uint32(maxUsers + 1) {
				h.Users[i] = "u"
			}
		},
		"memory":     func(h *Header) { h.Host.MemoryBytes = -1 },
		"tick":       func(h *Header) { h.Tick = -1 },
		"long tick":  func(h *Header) { h.Tick = maxTick + 1 },
		"sibling":    func(h *Header) { h.Topology[0].Sibling = 3 },
		"no sibling": func(h *Header) { h.Topology[0].Sibling = -1 },
		"its own":    func(h *Header) { h.Topology[1].Sibling = 2 },
	} {
		h := filledHeader(t)
		change(h)
		text, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		file := appendFrame(append([]byte(magic), version), frameHeader, text)
		if _, err := Open(bytes.NewReader(file)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h := filledHeader(t)
	h.Host.Name, h.Domains[0].Detail, h.Reasons[0].Text, h.Frequency, h.Counter = "a\x1b[2Jb", "c\u009bd", "e\nf", "g\rh", "i\x00j"
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeHeader(text)
	if err != nil {
		t.Fatal(err)
	}
	if all := got.Host.Name + got.Domains[0].Detail + got.Reasons[0].Text + got.Frequency + got.Counter; all != "a?[2Jbc?de?fg?hi?j" {
		t.Errorf("%q", all)
	}
	h.Processes = 1 << 40
	if text, err = json.Marshal(h); err != nil || strings.Contains(string(text), "e+") {
		t.Fatal(err)
	}
	if _, err := decodeHeader(text); err != nil { // it is only as many as a reader has room for
		t.Error(err)
	}
}
