package recording

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

const smallEdges = 15

// flushed remembers how many edges had been written by each size of the file.
type flushed struct {
	bytes.Buffer
	edges func() uint64
	at    []int
	then  []uint64
}

func (f *flushed) Write(b []byte) (int, error) {
	n, err := f.Buffer.Write(b)
	f.at, f.then = append(f.at, f.Len()), append(f.then, f.edges())
	return n, err
}

// small is a recording of smallEdges edges, and where its blocks end.
func small(t testing.TB) (file []byte, f *flushed) {
	t.Helper()
	m := newMachine(smallEdges, 2)
	m.weighed = true
	parts := m.parts()
	f = &flushed{edges: func() uint64 { return 0 }}
	rec, err := Record(&parts, Header{PUE: 1, Processes: 100}, f)
	if err != nil {
		t.Fatal(err)
	}
	f.edges = func() uint64 { return rec.w.edges }
	rec.Start()
	for e := (engine.Edge{}); ; {
		if err := rec.Next(&e); err != nil {
			break
		}
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Bytes(), f
}

// edgesOf reads all that there is.
func edgesOf(t testing.TB, file []byte) (edges []engine.Edge, r *Reader) {
	t.Helper()
	r, err := Open(bytes.NewReader(file))
	if err != nil {
		if !errors.Is(err, ErrFormat) {
			t.Fatal(err)
		}
		return nil, nil
	}
	for {
		var e engine.Edge
		if err := r.Next(&e); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			return edges, r
		}
		edges = append(edges, e)
	}
}

func isPrefix(t *testing.T, what string, got, all []engine.Edge) {
	t.Helper()
	if len(got) > len(all) {
		t.Fatalf("%s: %d edges of %d", what, len(got), len(all))
	}
	for i := range got {
		if !reflect.DeepEqual(&got[i], &all[i]) {
			t.Fatalf("%s: edge %d is\n%+v, not\n%+v", what, i, got[i], all[i])
		}
	}
}

// Cut off anywhere, a recording shows all of the blocks that are whole, and says that its end is missing.
func TestCutOffAnywhere(t *testing.T) {
	file, f := small(t)
	all, _ := edgesOf(t, file)
	if len(all) != smallEdges || len(f.at) < 5 {
		t.Fatalf("%d edges in %d blocks", len(all), len(f.at))
	}
	for n := range file {
		got, r := edgesOf(t, file[:n])
		want := uint64(0)
		for i, at := range f.at {
			if at <= n {
				want = f.then[i]
			}
		}
		isPrefix(t, fmt.Sprintf("cut at %d", n), got, all)
		if uint64(len(got)) != want {
			t.Fatalf("cut at byte %d of %d: %d edges, %d were written by then", n, len(file), len(got), want)
		}
		if (r == nil) != (n < f.at[0]) {
			t.Fatalf("cut at byte %d: is it a recording?", n)
		}
		if r != nil && (!strings.Contains(r.Cut(), "has no end") || r.Damaged()) {
			t.Fatalf("cut at byte %d: %q", n, r.Cut())
		}
		whole := 0
		for _, at := range f.at {
			if at <= n {
				whole = at
			}
		}
		if more := fmt.Sprintf(" %d bytes of an unfinished block", n-whole); r != nil && strings.Contains(r.Cut(), more) != (n > whole) {
			t.Fatalf("cut at byte %d, %d behind the last block: %q", n, n-whole, r.Cut())
		}
	}
}

// A bit that is another anywhere ends the reading there, and is told.
func TestFlippedBits(t *testing.T) {
	file, f := small(t)
	all, _ := edgesOf(t, file)
	bad := bytes.Clone(file)
	for n := range file {
		bit := n % 8
		bad[n] ^= 1 << bit
		got, r := edgesOf(t, bad)
		bad[n] ^= 1 << bit
		isPrefix(t, fmt.Sprintf("byte %d bit %d", n, bit), got, all)
		want := uint64(0) // of the blocks before
		for i, at := range f.at {
			if at <= n {
				want = f.then[i]
			}
		}
		if uint64(len(got)) != want || r != nil && r.Cut() == "" {
			t.Fatalf("byte %d bit %d: %d edges, want %d; %v", n, bit, len(got), want, r)
		}
		if r != nil && r.Damaged() && !slices.ContainsFunc(f.at, func(at int) bool { return strings.Contains(r.Cut(), fmt.Sprintf("behind byte %d ", at)) }) {
			t.Fatalf("byte %d bit %d: %q names no end of a block", n, bit, r.Cut())
		}
	}
}

// What follows the end is no part of the recording, and a wrong number of edges is damage.
func TestEndFrame(t *testing.T) {
	file, f := small(t)
	head := file[:f.at[len(f.at)-2]]
	for edges, damaged := range map[byte]bool{smallEdges: false, smallEdges - 1: true} {
		got, r := edgesOf(t, appendFrame(bytes.Clone(head), frameEnd, []byte{edges}))
		if len(got) != smallEdges || r.Damaged() != damaged {
			t.Errorf("end after %d edges: %d edges, %q", edges, len(got), r.Cut())
		}
	}
	for _, more := range [][]byte{{0}, file} {
		if got, r := edgesOf(t, append(bytes.Clone(file), more...)); len(got) != smallEdges || !r.Damaged() || !strings.Contains(r.Cut(), "more behind its end") {
			t.Errorf("%d bytes behind the end: %d edges, %q", len(more), len(got), r.Cut())
		}
	}
	bad := fileOf(t, []byte{recordEdge, 1, 0xff}) // damaged, and then cut off
	if _, r := edgesOf(t, bad[:len(bad)-3]); !r.Damaged() {
		t.Errorf("damage before a cut: %q", r.Cut())
	}
}

// recordsOf gives the records of a file, and a file's records back.
func recordsOf(t testing.TB, file []byte) []byte {
	t.Helper()
	r, err := Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.in)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func fileOf(t testing.TB, records []byte) []byte {
	t.Helper()
	var file, body bytes.Buffer
	m := newMachine(1, 1)
	parts := m.parts()
	if _, err := Record(&parts, Header{PUE: 1, Processes: 100}, &file); err != nil {
		t.Fatal(err)
	}
	z, err := flate.NewWriter(&body, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(records); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	out := file.Bytes()
	for b := body.Bytes(); len(b) > 0; b = b[min(len(b), maxFrame):] {
		out = appendFrame(out, frameData, b[:min(len(b), maxFrame)])
	}
	return appendFrame(out, frameEnd, []byte{0})
}

// checkHostile has an engine watch whatever a file says, and checks that nothing impossible is shown.
func checkHostile(t *testing.T, file []byte) {
	t.Helper()
	r, err := Open(bytes.NewReader(file))
	if err != nil {
		return
	}
	cfg := config(engine.ByProcess)
	cfg.Interval = time.Minute
	e, err := engine.New(cfg, r.Parts())
	if err != nil {
		return // no edge
	}
	show := func(s *snapshot.Snapshot) error {
		if s.Losses.Breaches > 0 {
			t.Errorf("%d breaches", s.Losses.Breaches)
		}
		for _, d := range s.Energy {
			if d.Low < 0 || d.Low > d.Joules || d.High < d.Joules {
				t.Errorf("%s: %v J in %v to %v", d.Domain, d.Joules, d.Low, d.High)
			}
		}
		for i := range s.Rows {
			if w := &s.Rows[i]; w.Joules < 0 || w.CPUSeconds < 0 || !(w.CO2e >= 0) || w.Low < 0 || w.Low > w.Joules || w.High < w.Joules {
				t.Errorf("row %+v", w)
			}
		}
		_, err := json.Marshal(s) // refuses what is no number
		return err
	}
	if err := e.Replay(context.Background(), show); err != nil {
		t.Error(err)
	}
	if err := show(e.Total()); err != nil {
		t.Error(err)
	}
	if r.Cut() == "" && r.end != io.EOF {
		t.Error("it stopped and does not say why")
	}
}

// The largest numbers that a reader lets pass break no law, and make nothing negative.
func TestLargestNumbers(t *testing.T) {
	m := newMachine(4, 3)
	parts := m.parts()
	var file bytes.Buffer
	rec, err := Record(&parts, Header{PUE: 100, Factor: intensity.World("test"), Processes: 100}, &file)
	if err != nil {
		t.Fatal(err)
	}
	rec.Start()
	var e engine.Edge
	m.weighed = true
	for step := range 4 {
		if err := m.Next(&e); err != nil {
			t.Fatal(err)
		}
		if step == 2 { // between edges as they should be
			e.At, e.Boot = e.At+maxStep-time.Hour, e.Boot+1<<46
			e.Looked, e.BusyGood = true, true
			for i := range e.Usages[:2] {
				e.Usages[i].Time, e.Usages[i].Switches, e.Usages[i].Beside = maxStepTime/4, maxSum/4, maxStepTime/8
			}
			for cpu := range e.Busy {
				e.Busy[cpu], e.Interrupts[cpu], e.KHz[cpu] = maxStepTime/4, maxStepTime/4, maxKHz
			}
			for d := range e.Samples {
				most := units.Microjoules(maxStepEnergy / 8)
				e.Samples[d] = energy.Sample{Energy: most, Low: most / 2, High: most, Idle: most / 2, IdleLow: most / 2, Written: maxSum / 64, Span: maxSum}
			}
			e.Overflow[0] = maxStepTime / 4
			for i := range 8 {
				u := bpf.Usage{Account: bpf.Account{TGID: uint32(500 + i), Start: 1, Cgroup: 1}}
				e.Tasks = append(e.Tasks, bpf.Task{Usage: u, Resident: 1 << 38, Read: maxSum / 32, Written: maxSum / 32})
				e.Shares = append(e.Shares, energy.Share{Domain: 3, PID: uint32(500 + i), Busy: maxSum / 32})
			}
		}
		if err := rec.write(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := rec.w.s.finish(4); err != nil {
		t.Fatal(err)
	}
	if edges, r := edgesOf(t, file.Bytes()); len(edges) != 4 {
		t.Errorf("%d edges are read: %s", len(edges), r.Cut())
	}
	checkHostile(t, file.Bytes())
}

// FuzzReader reads any file.
func FuzzReader(f *testing.F) {
	file, at := small(f)
	f.Add(file)
	f.Add(file[:at.at[2]])
	f.Add(file[:at.at[0]])
	f.Add([]byte(magic + "\x01\x01\xff\xff\xff\xff\x0f0000"))
	f.Fuzz(func(t *testing.T, file []byte) { checkHostile(t, file) })
}

// FuzzRecords reads any records in a file whose checksums are right.
func FuzzRecords(f *testing.F) {
	file, _ := small(f)
	records := recordsOf(f, file)
	f.Add(records[:2000])
	f.Add([]byte{recordEdge, 0, recordWho, 1, 0xff})
	f.Add([]byte{recordEdge, 0xff, 0xff, 0xff, 0x07})
	f.Fuzz(func(t *testing.T, records []byte) { checkHostile(t, fileOf(t, records)) })
}
