package recording

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
)

// accounts is how many of them run in each step of the machines below: 18 that stay, and one or two that come and go.
const accounts = 18

// recordFile records a synthetic machine, without an engine.
func recordFile(t testing.TB, steps int) (path string, bytes int64) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "recording")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	m := newMachine(steps, accounts)
	parts := m.parts()
	rec, err := Record(&parts, Header{PUE: 1, Processes: 65536}, file)
	if err != nil {
		t.Fatal(err)
	}
	rec.Start()
	for e := (engine.Edge{}); ; m.processes.Step() {
		if err := rec.Next(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	_, bytes = rec.Written()
	return path, bytes
}

// replayFile has an engine watch it, and calls each with every window.
func replayFile(t testing.TB, path string, each func(no int)) (windows int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := Open(bufio.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(engine.ByProcess)
	cfg.Top = 20
	e, err := engine.New(cfg, r.Parts())
	if err != nil {
		t.Fatal(err)
	}
	err = e.Replay(context.Background(), func(s *snapshot.Snapshot) error {
		if s.Losses.Breaches > 0 {
			t.Fatalf("window %d: %d breaches", windows, s.Losses.Breaches)
		}
		windows++
		each(windows)
		return nil
	})
	if err != nil || r.Cut() != "" {
		t.Fatal(err, r.Cut())
	}
	if total := e.Total(); total.Losses.Breaches > 0 {
		t.Fatalf("the total: %d breaches", total.Losses.Breaches)
	}
	return windows
}

// cpuTime is what this process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// A long recording is read in memory that does not grow. ECO2_BPF_SCALE=full: one of a week, in less than a minute of one CPU.
func TestLongRecording(t *testing.T) {
	hours := 1
	if os.Getenv("ECO2_BPF_SCALE") == "full" {
		hours = 7 * 24
	}
	steps := hours * 3600
	began := cpuTime(t)
	path, bytes := recordFile(t, steps+1)
	took := cpuTime(t) - began
	var heap []float64                                // in MB
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as the program does
	began = cpuTime(t)
	windows := replayFile(t, path, func(no int) {
		if no%(steps/14) != 0 {
			return
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		heap = append(heap, float64(m.HeapAlloc)/1e6)
	})
	read := cpuTime(t) - began
	t.Logf("%d windows of 1 s, %d accounts: %.1f bytes each, %.1f MB; recorded in %v of CPU time, replayed in %v (%.1f us a window); heap, MB: %.0f",
		windows, accounts, float64(bytes)/float64(windows), float64(bytes)/1e6, took.Round(time.Millisecond), read.Round(time.Millisecond),
		float64(read.Microseconds())/float64(windows), heap)
	if windows != steps {
		t.Errorf("%d windows of %d", windows, steps)
	}
	if hours == 7*24 && read > time.Minute {
		t.Errorf("a week took %v of CPU time", read)
	}
	if each := float64(bytes) / float64(windows); each > 20*accounts {
		t.Errorf("a window takes %.1f bytes", each)
	}
	// The tables of names have filled by then: 65,536 cgroups in four days.
	if before, after := slices.Max(heap[:len(heap)*9/14]), slices.Max(heap[len(heap)*9/14:]); after > before+16 {
		t.Errorf("the heap grew from %.1f to %.1f MB", before, after)
	}
}

// BenchmarkReplayHour is an hour of windows of 1 s through an engine.
func BenchmarkReplayHour(b *testing.B) {
	path, bytes := recordFile(b, 3601)
	for b.Loop() {
		replayFile(b, path, func(int) {})
	}
	b.ReportMetric(float64(bytes)/3600, "bytes/window")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/3600, "ns/window")
}
