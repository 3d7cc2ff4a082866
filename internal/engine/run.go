package engine

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// maxStep bounds how long the tables fill between two drains, and how long a counter can go unread: a window longer than that is
// made of several steps.
const maxStep = time.Second

// Run publishes a window each interval until ctx ends, d has passed (0: no end), or publish fails. The last window may be shorter;
// it is published too, so that the windows add up to the total. The caller asks for Total afterwards.
func (e *Engine) Run(ctx context.Context, d time.Duration, publish func(*snapshot.Snapshot) error) error {
	began := e.prev.At
	windowEnd := began + e.cfg.Interval
	stop := time.Duration(1<<63 - 1)
	if d > 0 {
		stop = began + d
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next := min(windowEnd, stop, e.prev.At+e.stepLength(e.prev.At-began))
		timer.Reset(max(0, next-e.parts.Now()))
		ended := false
		select {
		case <-ctx.Done():
			ended = true
		case <-timer.C:
		}
		// What memory and disks used since the last look shows only at the next one.
		e.cur.Looked = ended || next >= stop
		if err := e.advance(); err != nil {
			return err
		}
		ended = ended || e.prev.At >= stop
		if e.prev.At >= windowEnd || ended {
			if err := publish(e.nextWindow()); err != nil {
				return err
			}
			// An edge that came late does not move the others; edges that were slept through are not made up for.
			windowEnd = after(windowEnd, e.prev.At, e.cfg.Interval)
		}
		if ended {
			return nil
		}
	}
}

// after is the first end of a window behind now.
func after(end, now, interval time.Duration) time.Duration {
	if end > now {
		return end
	}
	return end + ((now-end)/interval+1)*interval
}

// Replay publishes the windows of a recording as fast as it can be read, until it or ctx ends, or publish fails. A window ends at the
// first edge at or behind its time; the caller asks for Total afterwards.
func (e *Engine) Replay(ctx context.Context, publish func(*snapshot.Snapshot) error) error {
	windowEnd, empty := e.prev.At+e.cfg.Interval, true
	for ctx.Err() == nil {
		err := e.advance()
		switch {
		case err == nil:
			empty = false
		case !errors.Is(err, io.EOF):
			return err
		}
		if err == nil && e.prev.At < windowEnd {
			continue
		}
		if !empty {
			if err := publish(e.nextWindow()); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
		windowEnd, empty = after(windowEnd, e.prev.At, e.cfg.Interval), true
	}
	return nil
}

// learnStep is the step while a floor is to be learned: a loaded step before that is split by the CPU table's idle share, which may be
// off by half.
const learnStep = 250 * time.Millisecond

// learnFor bounds that: a machine under constant load cannot teach its floor, and steps cost.
const learnFor = 10 * time.Second

func (e *Engine) stepLength(running time.Duration) time.Duration {
	if running >= learnFor {
		return maxStep
	}
	for i := range e.floors {
		if f := &e.floors[i]; f.learns != nil && f.last.How != powermodel.FloorGiven && f.last.How != powermodel.FloorLearned {
			return learnStep
		}
	}
	return maxStep
}

// nextWindow publishes the window that ends here and begins another.
func (e *Engine) nextWindow() *snapshot.Snapshot {
	s := e.publish(e.window, snapshot.Window)
	no := e.window.windowNo
	e.window = e.newAccumulator()
	e.window.windowNo = no + 1
	return s
}
