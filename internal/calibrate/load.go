package calibrate

import (
	"bufio"
	"fmt"
	"io"
	"math/bits"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// LoadMix says what the load does, for the model file.
const LoadMix = "per CPU, a third each: 64-bit integer multiply and shift, float64 multiply-add, reads and writes over 4 MiB; no vector code"

const (
	// period of the duty cycle: no multiple of a timer tick (1, 4 or 10 ms), so that tick and load do not fall in step.
	period = 23 * time.Millisecond
	// niceness of the load: whatever else runs goes first, so the machine stays usable; it is counted as busy all the same.
	niceness = 19

	bufferBytes  = 4 << 20   // that each CPU walks through: beyond most private caches
	buffersBytes = 512 << 20 // of all CPUs
	leastBuffer  = 256 << 10
)

// level is the load that is asked for. At zero nothing runs, not even a timer.
type level struct {
	mu      sync.Mutex
	changed sync.Cond
	percent int
}

func (l *level) set(percent int) {
	l.mu.Lock()
	l.percent = percent
	l.mu.Unlock()
	l.changed.Broadcast()
}

// get waits until there is a load, and returns how much of each period it is.
func (l *level) get() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.percent == 0 {
		l.changed.Wait()
	}
	return period * time.Duration(l.percent) / 100
}

// Burn is the load itself, in a process of its own: it reads percents, one a line, and keeps these CPUs busy for that share of the time,
// until its input ends. It writes one line when it can begin: ready, and why some of them cannot be loaded.
func Burn(in io.Reader, out io.Writer, cpus []int) error {
	runtime.GOMAXPROCS(len(cpus) + 2) // the loops never leave theirs to the reader
	debug.SetGCPercent(-1)            // nothing is allocated any more; a collection would run beside the load
	l := &level{}
	l.changed.L = &l.mu
	pinned := make(chan error)
	for i, cpu := range cpus {
		go burnOn(l, cpu, period*time.Duration(i)/time.Duration(len(cpus)), min(bufferBytes, max(leastBuffer, buffersBytes/len(cpus))), pinned)
	}
	failed, ready := 0, "ready"
	for range cpus {
		if err := <-pinned; err != nil {
			failed++
			ready = fmt.Sprintf("ready; %d of %d CPUs cannot be loaded, such as %v", failed, len(cpus), err)
		}
	}
	if _, err := fmt.Fprintln(out, ready); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		percent, err := strconv.Atoi(lines.Text())
		if err != nil || percent < 0 || percent > 100 {
			return fmt.Errorf("a load of %.20q percent", lines.Text())
		}
		l.set(percent)
	}
	return lines.Err()
}

// burnOn loads one CPU. phase spreads the cycles of several CPUs, so that at half load half of them are busy at any time.
func burnOn(l *level, cpu int, phase time.Duration, buffer int, pinned chan<- error) {
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(cpu)
	err := unix.SchedSetaffinity(0, &set)
	if err == nil {
		err = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness) // of this thread
	}
	if err != nil {
		pinned <- fmt.Errorf("cpu %d: %w", cpu, err)
		return
	}
	w := work{words: make([]uint64, buffer/8), float: [4]float64{1, 2, 3, 4}, integer: uint64(cpu) + 1}
	for i := range w.words {
		w.words[i] = uint64(i) // or all pages are one page of zeros
	}
	pinned <- nil
	start := time.Now()
	for {
		part := l.get()
		// Cycles begin at the same moments of the same clock on every CPU, but for the phase.
		cycle := start.Add((time.Since(start)-phase)/period*period + phase)
		for end := cycle.Add(part); time.Now().Before(end); {
			w.do()
		}
		if part < period {
			ts := unix.NsecToTimespec(int64(max(0, time.Until(cycle.Add(period)))))
			_ = unix.Nanosleep(&ts, nil) // shorter when a signal comes
		}
	}
}

// work is some tens of microseconds of computing between two looks at the clock.
type work struct {
	integer uint64
	float   [4]float64
	words   []uint64
	at      int
}

func (w *work) do() {
	x := w.integer
	for range 6000 {
		x = bits.RotateLeft64(x*0x9E3779B97F4A7C15, 27) ^ x>>11
	}
	w.integer = x | 1
	a, b, c, d := w.float[0], w.float[1], w.float[2], w.float[3]
	for range 5000 { // they tend to 2: never zero, infinite or slow
		a, b, c, d = a*0.5+1, b*0.5+1, c*0.5+1, d*0.5+1
	}
	w.float = [4]float64{a + 1, b + 2, c + 3, d + 4}
	for range 8000 {
		w.words[w.at] += x
		if w.at += 8; w.at >= len(w.words) { // a cache line
			w.at -= len(w.words)
		}
	}
}
