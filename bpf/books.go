package bpf

import "time"

// books keep, for each process, what it moved and what of that was told. They are pure: kernel records go in, Tasks come out.
//
// A thread that lives is counted as the iterator shows it, one that has ended by what it told then, never as both: it is left out by the
// iterator from before it tells its end. In between its bytes are missing for a moment, and a sum that is lower than what was told
// already changes nothing. Of what the records of a process say of its released threads the first one in a look is taken: those that are
// seen to live after that are not among them.
type books struct {
	page  int64 // bytes
	looks uint32
	since uint64 // when the first look was, ns since boot
	known map[life]*holder
	rows  []*holder // beside the rows of this look
	ended []*holder // since the last look
	gone  []*holder // that were told to have ended at the last look: of one that ended just then, a thread may still tell its own end
}

// life names a process: ids come again, with another start.
type life struct {
	tgid  uint32
	start uint64
}

const (
	bytesRead = iota
	bytesWritten
	bytesCancelled
	bytesKinds
)

// holder is what is known of a process. All bytes are since its begin.
type holder struct {
	life
	// By threads that have ended, twice: as they told it, less those that told nobody, because their ends were lost or came before the
	// first look; and as the kernel has it, less those that are not released yet. Neither is too much.
	left, released [bytesKinds]uint64
	seen           [bytesKinds]uint64 // by threads that lived at the last look
	told           [bytesKinds]uint64 // the most of both that any look told
	look           uint32             // the last one that saw it
	row            int                // of that look; -1: none
	old            bool               // it began before the first look, which did not see it, as of another pid namespace
	dead           bool               // its end is known
	end            Task               // its row then
}

func newBooks(page int) books { return books{page: int64(page), known: map[life]*holder{}} }

// begin begins a look, now. The first is a baseline.
func (b *books) begin(now time.Duration) {
	if b.looks++; b.looks == 1 {
		b.since = uint64(now)
	}
	b.rows = b.rows[:0]
}

// of finds the process of a record.
func (b *books) of(h *eco2Holding) *holder {
	key := life{h.Tgid, h.Start}
	p := b.known[key]
	if p == nil {
		p = &holder{life: key, look: b.looks, row: -1}
		b.known[key] = p
	}
	return p
}

// living books what the iterator shows of a thread.
func (b *books) living(into []Task, h eco2Holding, comms *commCache) []Task {
	if h.Flags&eco2HoldingFlagsHOLDING_ENDING != 0 {
		if p := b.known[life{h.Tgid, h.Start}]; p != nil && p.look != b.looks { // not to be forgotten: its end may be yet to come
			p.look, p.row, p.seen = b.looks, -1, [bytesKinds]uint64{}
		}
		return into
	}
	p := b.of(&h)
	if p.look != b.looks || p.row < 0 {
		p.look, p.row, p.seen = b.looks, len(b.rows), [bytesKinds]uint64{}
		p.released = [bytesKinds]uint64{h.LeftRead, h.LeftWritten}
		b.rows = append(b.rows, p)
		into = append(into, b.task(&h, comms))
	} else {
		t := &into[len(into)-len(b.rows)+p.row]
		t.Resident = max(t.Resident, b.bytes(&h))
	}
	add(&p.seen, &h)
	return into
}

// end books what a thread told at its end.
func (b *books) end(h eco2Holding, comms *commCache) {
	unseen := b.known[life{h.Tgid, h.Start}] == nil
	p := b.of(&h)
	p.old = p.old || unseen && h.Start < b.since
	add(&p.left, &h)
	if h.Flags&eco2HoldingFlagsHOLDING_ENDED == 0 {
		return
	}
	p.released = [bytesKinds]uint64{h.LeftRead, h.LeftWritten}
	add(&p.released, &h)
	t := b.task(&h, comms)
	if p.dead { // two threads that ended at the same time both were the last
		p.end.Resident = max(p.end.Resident, t.Resident)
		return
	}
	p.dead, p.end, p.seen = true, t, [bytesKinds]uint64{}
	b.ended = append(b.ended, p)
}

func add(sum *[bytesKinds]uint64, h *eco2Holding) {
	sum[bytesRead] += h.Read
	sum[bytesWritten] += h.Written
	sum[bytesCancelled] += h.Cancelled
}

// bytes are those of a record's pages; no machine has more than 2^40.
func (b *books) bytes(h *eco2Holding) int64 { return int64(min(h.Pages, 1<<40)) * b.page }

func (b *books) task(h *eco2Holding, comms *commCache) Task {
	return Task{
		Usage: Usage{
			Account: Account{TGID: h.Tgid, Start: time.Duration(h.Start), Cgroup: h.Cgroup},
			Comm:    comms.intern(&h.Comm), Execs: h.Execs, UID: h.Uid, PPID: h.Ppid,
			Kernel: h.Flags&eco2HoldingFlagsHOLDING_KTHREAD != 0, Root: h.Root,
		},
		Resident: b.bytes(h), Exited: time.Duration(h.Exited),
	}
}

// settle ends a look: it fills in what each of its rows, which begin at from, moved since the last one, drops the empty ones and appends
// those that ended.
func (b *books) settle(into []Task, from int) []Task {
	kept := from
	for i, p := range b.rows {
		t := &into[from+i]
		t.Read, t.Written = b.tell(p)
		if t.holds() {
			into[kept] = *t
			kept++
		}
	}
	into = into[:kept]
	for _, p := range b.gone {
		p.end.Resident = 0 // told
		into = b.tellEnd(into, p)
		delete(b.known, p.life)
	}
	for _, p := range b.ended {
		into = b.tellEnd(into, p)
	}
	b.gone, b.ended = append(b.gone[:0], b.ended...), b.ended[:0]
	b.forget()
	return into
}

func (b *books) tellEnd(into []Task, p *holder) []Task {
	t := p.end
	if t.Read, t.Written = b.tell(p); t.holds() && b.looks > 1 {
		into = append(into, t)
	}
	return into
}

func (t *Task) holds() bool { return t.Resident > 0 || t.Read > 0 || t.Written > 0 }

// tell is what a process read and wrote since it was last told. Of what it wrote it may have thrown away some in the same time; more
// than that is another process's, or another time's.
func (b *books) tell(p *holder) (read, written uint64) {
	var since [bytesKinds]uint64
	for i := range since {
		now := max(p.left[i], p.released[i]) + p.seen[i]
		switch {
		case b.looks == 1 || p.old: // nobody knows what of it is new
			p.told[i] = now
		case now > p.told[i]:
			since[i], p.told[i] = now-p.told[i], now
		}
	}
	p.old = false
	return since[bytesRead], since[bytesWritten] - min(since[bytesWritten], since[bytesCancelled])
}

// forget drops, now and then, those that neither of the last two looks saw: their ends were lost.
func (b *books) forget() {
	if len(b.known) < 2*len(b.rows)+1024 {
		return
	}
	for key, p := range b.known {
		if b.looks-p.look >= 2 && !p.dead {
			delete(b.known, key)
		}
	}
}
