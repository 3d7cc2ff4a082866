package bpf

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// looker keeps what Look has told of each process. A nil one collects nothing.
type looker struct {
	tasks *link.Iter
	ends  *ringbuf.Reader
	in    *bufio.Reader
	raw   [holdingSize]byte
	rec   ringbuf.Record
	bad   uint64 // ends that made no sense
	books books
}

var errNoLook = errors.New("the collector was opened without Options.Look")

// Look appends to into one Task for each process that holds memory or has moved anything since the last Look, and for each that held
// any and has exited since, and returns it. What was moved before the first Look is nobody's: there Read and Written are 0, and who
// exited before is left out. What a Look could not see of a process that was just ending, the next one tells. All threads of a process
// are in its Task: TID is 0.
func (c *Collector) Look(into []Task) ([]Task, error) {
	l := c.look
	if l == nil {
		return into, errNoLook
	}
	// The ends first: a thread whose end is known by now is in exit, and the iterator leaves it out. In the other order it could be
	// counted twice.
	if err := l.collect(&c.comms); err != nil {
		return into, err
	}
	r, err := l.tasks.Open()
	if err != nil {
		return into, fmt.Errorf("look at all processes: %w", err)
	}
	defer r.Close()
	from := len(into)
	l.books.begin(sinceBoot())
	l.in.Reset(r)
	for {
		if _, err := io.ReadFull(l.in, l.raw[:]); errors.Is(err, io.EOF) {
			return l.books.settle(into, from), nil
		} else if err != nil {
			return into[:from], fmt.Errorf("look at all processes: %w", err)
		}
		into = l.books.living(into, decodeHolding(l.raw[:]), &c.comms)
	}
}

// CountsIO tells whether this kernel counts what each process moves to and from disks (CONFIG_TASK_IO_ACCOUNTING). If not, Read and
// Written of a Task are always 0.
func (c *Collector) CountsIO() bool { return c.counts&eco2CountedCOUNTED_IO != 0 }

// CountsResident tells whether this kernel's count of a process's memory is of a form that is known here. If not, Resident of a Task
// says nothing.
func (c *Collector) CountsResident() bool { return c.counts&eco2CountedCOUNTED_PAGES != 0 }

// endsLost counts the ends of which nothing is known.
func (c *Collector) endsLost() uint64 { return c.variable(eco2VarEndsLost) + c.look.bad }

const holdingSize = int(unsafe.Sizeof(eco2Holding{}))

// sinceBoot is the clock of Account.Start.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func openLooker(coll *ebpf.Collection) (*looker, error) {
	it, err := link.AttachIter(link.IterOptions{Program: coll.Programs[eco2ProgLookAtTasks]})
	if err != nil {
		return nil, explain("attach the task iterator", err)
	}
	r, err := ringbuf.NewReader(coll.Maps[eco2MapEnds])
	if err != nil {
		return nil, errors.Join(explain("open the ring of ends", err), it.Close())
	}
	return &looker{tasks: it, ends: r, in: bufio.NewReaderSize(nil, 64<<10), books: newBooks(os.Getpagesize())}, nil
}

// collect books the ends that the ring holds. Each window does, so that the ring need not hold those of the time between two looks.
func (l *looker) collect(comms *commCache) error {
	if l == nil {
		return nil
	}
	if err := l.ends.Flush(); err != nil {
		return fmt.Errorf("read the ring of ends: %w", err)
	}
	for {
		switch err := l.ends.ReadInto(&l.rec); {
		case errors.Is(err, ringbuf.ErrFlushed):
			return nil
		case err != nil:
			return fmt.Errorf("read the ring of ends: %w", err)
		case len(l.rec.RawSample) < holdingSize:
			l.bad++
		default:
			l.books.end(decodeHolding(l.rec.RawSample), comms)
		}
	}
}

// decodeHolding copies what the programs wrote, which need not be aligned.
func decodeHolding(raw []byte) (h eco2Holding) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&h)), holdingSize), raw)
	return h
}

func (l *looker) close() error {
	if l == nil {
		return nil
	}
	return errors.Join(l.ends.Close(), l.tasks.Close())
}
