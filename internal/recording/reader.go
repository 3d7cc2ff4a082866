package recording

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
)

// Reader gives the edges of a recording, and the identities that it has, as far as they were known by each edge. It is for one goroutine.
type Reader struct {
	header *Header
	frames *frames
	in     *bufio.Reader
	buf    []byte

	prev     state
	who      []bpf.Usage
	whose    []int // by usage of this edge: which who
	began    int64 // time of the first edge
	looked   int64 // since boot: when tasks were told of
	sums     sums
	edges    uint64
	last     time.Time
	joinTIDs bool
	end      error // io.EOF: the recording's own end

	cgroups   *identity.Cgroups
	told      []uint64 // cgroups of this chapter
	processes *identity.Processes
	alive     map[uint32]life       // those that have not exited, by TGID
	programs  int                   // bytes of their programs and command lines
	parents   []identity.ProcessKey // told of in this step as parents only
	names     names
}

// sums are held to maxSum, as whoever reads the edges adds these up.
type sums struct {
	time, busy, cpuTime, switches, energy, low, high, idle, losses, moved, counted, interrupts int64
}

// ErrFormat says that a file is no recording, or none that this program can read.
var ErrFormat = errors.New("not a recording that can be read")

// Open reads the beginning of a recording. Errors: ErrFormat, or of reading.
func Open(from io.Reader) (*Reader, error) {
	var head [len(magic) + 1]byte
	switch n, err := io.ReadFull(from, head[:]); {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("read the recording: %w", err)
	case n < len(head) || string(head[:len(magic)]) != magic:
		return nil, fmt.Errorf("%w: it does not begin as one", ErrFormat)
	case head[len(magic)] != version:
		return nil, fmt.Errorf("%w: it is of version %d, and this program knows version %d", ErrFormat, head[len(magic)], version)
	}
	f := &frames{r: bufio.NewReaderSize(from, 16<<10), at: int64(len(head))}
	kind, text, err := f.next(maxHeader)
	if err == nil && kind != frameHeader {
		err = errDamaged
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its header: %w", ErrFormat, err)
	}
	h, err := decodeHeader(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	f.buf = nil // the other frames are smaller
	return &Reader{
		header: h, frames: f, in: bufio.NewReaderSize(flate.NewReader(f), 4<<10), prev: newState(h.CPUs, len(h.Domains)),
		cgroups: identity.OpenCgroups(""), processes: identity.NewProcesses(min(h.Processes, maxProcesses)), alive: map[uint32]life{},
	}, nil
}

// Header is what the recording says of its machine.
func (r *Reader) Header() *Header { return r.header }

// JoinThreads has usages of threads be their process's.
func (r *Reader) JoinThreads() { r.joinTIDs = true }

// Parts are what an engine reads the recording with.
func (r *Reader) Parts() engine.Parts {
	h := r.header
	return engine.Parts{
		Edges: r, BusySource: h.BusySource, FrequencyHow: h.Frequency, OneFrequency: h.OneFrequency, Tick: h.Tick, DRAM: h.DRAM, Topology: h.Topology, Host: h.Host, Model: h.Model, BootTime: h.BootTime,
		Users: identity.UsersOf(h.Users), Cgroups: r.cgroups, Processes: r.processes, Containers: &r.names,
		Exists: func(tgid uint32) bool { _, ok := r.alive[tgid]; return ok },
	}
}

// CPUs are those that there can be.
func (r *Reader) CPUs() int { return r.header.CPUs }

// Domains are those of the recorded machine.
func (r *Reader) Domains() []energy.Domain { return r.header.Domains }

// Next reads up to the next edge. It returns io.EOF at the end, and where the rest cannot be read: see Cut.
func (r *Reader) Next(e *engine.Edge) error {
	for r.end == nil {
		kind, d, err := r.record()
		if err != nil {
			r.stop(err)
			break
		}
		switch kind {
		case recordWho:
			r.addWho(&d)
		case recordProcess:
			r.addProcess(&d)
		case recordExit:
			r.exit(&d)
		case recordCgroup:
			r.addCgroup(&d)
		case recordContainer:
			r.addContainer(&d)
		case recordChapter:
			r.chapter()
		case recordEdge:
			r.edge(&d, e)
		}
		if d.err != nil {
			r.stop(fmt.Errorf("%w: %w", errDamaged, d.err))
		} else if kind == recordEdge {
			for _, k := range r.parents { // their children have found them
				r.processes.Forget(k)
			}
			r.parents = r.parents[:0]
			r.edges++
			r.last = e.Wall
			return nil
		}
	}
	return io.EOF
}

// record reads the next one; its bytes are good until the next call. Errors: io.EOF at the end of all.
func (r *Reader) record() (kind byte, d decoder, err error) {
	if kind, err = r.in.ReadByte(); err != nil {
		return 0, d, err
	}
	size, err := binary.ReadUvarint(r.in)
	if err == nil && size > maxRecord {
		err = errDamaged
	}
	if err == nil {
		err = r.fill(int(size))
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	d.b = r.buf
	return kind, d, err
}

// fill reads so many bytes into buf, which grows as they come.
func (r *Reader) fill(size int) error {
	if size <= cap(r.buf) {
		r.buf = r.buf[:size]
		_, err := io.ReadFull(r.in, r.buf)
		return err
	}
	b := bytes.NewBuffer(r.buf[:0])
	_, err := io.CopyN(b, r.in, int64(size))
	r.buf = b.Bytes()
	return err
}

// stop ends the reading; what came before stands.
func (r *Reader) stop(err error) {
	switch {
	case errors.Is(err, errDamaged):
	case r.frames.err != nil: // what came of that says less
		err = r.frames.err
	case errors.Is(err, io.EOF):
		if err = r.frames.finish(); err == nil && r.frames.edges != r.edges {
			err = errDamaged
		}
		if err == nil {
			err = io.EOF
		}
	default:
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	r.end = err
}

// Cut tells, once Next has returned io.EOF, what is missing at the end; empty: nothing.
func (r *Reader) Cut() string {
	if r.end == nil || errors.Is(r.end, io.EOF) {
		return ""
	}
	until := "before its first window"
	if r.edges > 1 {
		until = "after its window that ends at " + r.last.Format(time.RFC3339)
	}
	switch {
	case errors.Is(r.end, errCut) && r.frames.cut == 0:
		return "the recording has no end: it stops " + until + ", as one that is still being written, or whose writer was killed"
	case errors.Is(r.end, errCut):
		return fmt.Sprintf("the recording has no end: it is cut off %s, and %d bytes of an unfinished block are left out", until, r.frames.cut)
	case errors.Is(r.end, errDamaged):
		return fmt.Sprintf("the recording is damaged behind byte %d (%v): it is read no further than %s", r.frames.at, r.end, until)
	}
	return fmt.Sprintf("%v: it is read no further than %s", r.end, until)
}

// Damaged tells whether what is missing was there: it is more than a cut-off end.
func (r *Reader) Damaged() bool {
	return r.end != nil && !errors.Is(r.end, io.EOF) && !errors.Is(r.end, errCut)
}
