package bpf

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

// events hands what comes through the ring to a handler. A nil one hands nothing.
type events struct {
	reader  *ringbuf.Reader
	tasks   *link.Iter
	handle  func(*Event)
	mu      sync.Mutex // one call of handle at a time
	flushed chan struct{}
	done    chan struct{}
	bad     atomic.Uint64
	err     error  // why it ended; read after done
	mended  uint64 // losses that a look at all processes has followed
}

func openEvents(coll *ebpf.Collection, handle func(*Event)) (*events, error) {
	it, err := link.AttachIter(link.IterOptions{Program: coll.Programs[eco2ProgFindTasks]})
	if err != nil {
		return nil, explain("attach the task iterator", err)
	}
	r, err := ringbuf.NewReader(coll.Maps[eco2MapEvents])
	if err != nil {
		return nil, errors.Join(explain("open the event ring", err), it.Close())
	}
	e := &events{reader: r, tasks: it, handle: handle, flushed: make(chan struct{}), done: make(chan struct{})}
	go e.read()
	return e, nil
}

// read runs until the reader is closed. The programs wake it when a cgroup comes or goes, or when the ring is half full.
func (e *events) read() {
	defer close(e.done)
	var rec ringbuf.Record
	for {
		err := e.reader.ReadInto(&rec)
		switch {
		case err == nil:
			e.deliver(rec.RawSample)
		case errors.Is(err, ringbuf.ErrFlushed):
			e.flushed <- struct{}{}
		default:
			e.err = err
			return
		}
	}
}

func (e *events) deliver(raw []byte) {
	var ev Event
	if ev.decode(raw) != nil {
		e.bad.Add(1)
		return
	}
	e.mu.Lock()
	e.handle(&ev)
	e.mu.Unlock()
}

// flush waits until all that was in the ring has been handled.
func (e *events) flush() error {
	if err := e.reader.Flush(); err != nil {
		return fmt.Errorf("read the event ring: %w", err)
	}
	select {
	case <-e.flushed:
	case <-e.done:
		return fmt.Errorf("read the event ring: %w", e.err)
	}
	return nil
}

// find tells of every process that exists.
func (e *events) find() error {
	r, err := e.tasks.Open()
	if err != nil {
		return fmt.Errorf("look at all processes: %w", err)
	}
	defer r.Close()
	e.tell(&Event{Kind: LookingAgain})
	in := bufio.NewReaderSize(r, 64*1024)
	raw := make([]byte, eventHeadSize)
	for {
		if _, err := io.ReadFull(in, raw); errors.Is(err, io.EOF) {
			e.tell(&Event{Kind: AllFound})
			return nil
		} else if err != nil {
			return fmt.Errorf("look at all processes: %w", err)
		}
		e.deliver(raw)
	}
}

func (e *events) tell(ev *Event) {
	e.mu.Lock()
	e.handle(ev)
	e.mu.Unlock()
}

// settle ends a window: all events up to here are handled, and if some were lost, all processes are looked at.
func (e *events) settle(lost uint64) error {
	if e == nil {
		return nil
	}
	if err := e.flush(); err != nil {
		return err
	}
	if lost == e.mended {
		return nil
	}
	e.mended = lost
	return e.find()
}

func (e *events) close() error {
	if e == nil {
		return nil
	}
	err := e.reader.Close()
	<-e.done
	return errors.Join(err, e.tasks.Close())
}
