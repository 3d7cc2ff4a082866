package engine

import (
	"cmp"
	"slices"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// holdings are what the rows of a step used of what CPU time does not tell: memory, disks and devices.
type holdings struct {
	memory    []int64 // by row: KiB of resident set times ticks that it was held
	disk      []int64 // by row: bytes
	unclaimed int64   // bytes that the disks wrote for nobody: of a mirror that is rebuilt, swap, what was made dirty before the start
	device    [][]int64
	floats    []float64
	nobody    []int64 // by domain: device time that no process has
	busy      []time.Duration
	span      time.Duration // since the last look
	looked    time.Duration // Edge.Boot of the last look
	at        time.Duration // Edge.At of it
	written   uint64        // of the disks, at the last look
	pending   map[process]*pendingWrite
	order     []process            // of pending
	holders   int                  // processes at the last look
	users     map[uint32]bpf.Usage // of devices, by process id: as last seen
	byPID     map[uint32]int       // row
}

// pendingWrite is what a process has written that has not reached the disks yet: a page is charged when it is made dirty, and written back
// up to half a minute later, when the process may be gone.
type pendingWrite struct {
	usage bpf.Usage
	who   *identity.Process // nil: not known
	bytes int64
	at    time.Duration // of its last write
}

// remember keeps who a process is for as long as a write of it waits.
func (h *holdings) remember(u *bpf.Usage, who *identity.Process) *identity.Process {
	p := h.pending[process{u.TGID, u.Start}]
	if p == nil {
		return who
	}
	if who != nil {
		p.who = who
	}
	return p.who
}

const (
	memoryUnit = 1024
	memoryTick = 100 * time.Microsecond
	// maxPending bounds memory: what more processes have written is nobody's.
	maxPending = 16384
	pageBytes  = 4096
	// longestWait is when a write has reached the disks, or never will: of a file that is gone by then, or on no disk of this machine. The
	// kernel's own limit is half a minute (vm.dirty_expire_centisecs).
	longestWait = time.Minute
)

// gather takes a step's looks and shares; rows are added for those that hold or moved something without having run.
func (h *holdings) gather(a *accounts, places *places, edge *Edge, domains []energy.Domain) {
	if edge.Looked {
		h.look(a, places, edge, domains)
	}
	h.share(a, places, edge, domains)
	// The rows are all there now.
	h.memory, h.disk = resize(h.memory, len(a.rows)), resize(h.disk, len(a.rows))
	for d := range h.device {
		h.device[d] = resize(h.device[d], len(a.rows))
	}
}

// start takes an edge as the baseline.
func (h *holdings) start(edge *Edge, domains []energy.Domain) {
	h.looked, h.at, h.written = edge.Boot, edge.At, storageWritten(edge, domains)
}

func storageWritten(edge *Edge, domains []energy.Domain) (sum uint64) {
	for d := range domains {
		if domains[d].Scope == energy.ScopeStorage {
			sum += edge.Samples[d].Written
		}
	}
	return sum
}

// reset forgets the step before. After it without a look, nothing is held and no time has passed.
func (h *holdings) reset(domains int) {
	h.memory, h.disk, h.unclaimed, h.span = h.memory[:0], h.disk[:0], 0, 0
	for len(h.device) < domains {
		h.device = append(h.device, nil)
	}
	for d := range h.device {
		h.device[d] = h.device[d][:0]
	}
	h.nobody, h.busy = resize(h.nobody[:0], domains), resize(h.busy[:0], domains)
}

func (h *holdings) look(a *accounts, places *places, edge *Edge, domains []energy.Domain) {
	if h.pending == nil {
		h.pending = map[process]*pendingWrite{}
	}
	// A suspended machine uses nothing that is counted: the time is that of the clock that stands still then.
	h.span = max(0, edge.At-h.at)
	h.holders = len(edge.Tasks)
	for i := range edge.Tasks {
		t := &edge.Tasks[i]
		held := min(h.lived(t, edge.Boot), h.span)
		weight := int64(float64(t.Resident/memoryUnit) * (float64(held) / float64(memoryTick)))
		if weight > 0 || t.Read > 0 {
			row := a.ensure(&t.Usage, places)
			h.memory, h.disk = resize(h.memory, row+1), resize(h.disk, row+1)
			h.memory[row] += max(0, weight)
			h.disk[row] += clampBytes(t.Read)
		}
		if t.Written > 0 {
			h.write(t, edge.At)
		}
	}
	for k, p := range h.pending {
		if edge.At-p.at > longestWait {
			delete(h.pending, k)
		}
	}
	now := storageWritten(edge, domains)
	written := now - min(now, h.written)
	// As much again as is claimed is taken for what file systems and mirrors add to it.
	h.unclaimed = clampBytes(written - min(written, 2*h.drain(a, places, written)))
	h.looked, h.at, h.written = edge.Boot, edge.At, now
}

// lived is how much of the time since the last look a process has lived.
func (h *holdings) lived(t *bpf.Task, now time.Duration) time.Duration {
	from, to := max(t.Start, h.looked), now
	if t.Exited != 0 {
		to = min(to, t.Exited)
	}
	return max(0, to-from)
}

func (h *holdings) write(t *bpf.Task, at time.Duration) {
	k := process{t.TGID, t.Start}
	p := h.pending[k]
	if p == nil {
		if len(h.pending) >= maxPending {
			return
		}
		p = &pendingWrite{}
		h.pending[k] = p
	}
	p.usage, p.at = t.Usage, at
	p.bytes = min(p.bytes+clampBytes(t.Written), maxBytes)
}

// drain charges what the disks have written to those whose writes wait, by how much each has waiting, and returns how much that was.
func (h *holdings) drain(a *accounts, places *places, written uint64) (given uint64) {
	var sum int64
	for _, p := range h.pending {
		sum += p.bytes
	}
	if sum == 0 || written == 0 {
		return 0
	}
	part := min(1, float64(written)/float64(sum))
	h.order = h.order[:0]
	for k := range h.pending {
		h.order = append(h.order, k)
	}
	// In an order that a replay has too: rows come in it, and what rounding leaves over goes by rows.
	slices.SortFunc(h.order, func(a, b process) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.tgid, b.tgid)) })
	for _, k := range h.order {
		p := h.pending[k]
		bytes := min(p.bytes, int64(float64(p.bytes)*part))
		row := a.ensure(&p.usage, places)
		h.disk = resize(h.disk, row+1)
		h.disk[row] += bytes
		given += uint64(bytes)
		if p.bytes -= bytes; p.bytes < pageBytes {
			delete(h.pending, k)
		}
	}
	return given
}

// maxBytes bounds what one row may weigh, so that the weights of all rows can be added up.
const maxBytes = 1 << 45

func clampBytes(n uint64) int64 { return int64(min(n, maxBytes)) }

// share takes who used devices such as GPUs.
func (h *holdings) share(a *accounts, places *places, edge *Edge, domains []energy.Domain) {
	if h.users == nil {
		h.users, h.byPID = map[uint32]bpf.Usage{}, map[uint32]int{}
	}
	if len(edge.Shares) > 0 {
		clear(h.byPID)
		for row := range a.rows {
			if u := &a.rows[row]; isProcess(u) && u.TID == 0 { // of which thread it is nobody tells
				h.byPID[u.TGID] = row
			}
		}
	}
	for _, s := range edge.Shares {
		if s.Domain < 0 || s.Domain >= len(domains) || s.Busy <= 0 || s.Busy > maxShare {
			continue
		}
		h.busy[s.Domain] += s.Busy
		if s.PID == 0 {
			h.nobody[s.Domain] += int64(s.Busy)
			continue
		}
		row, ran := h.byPID[s.PID]
		if !ran {
			u, ok := h.users[s.PID]
			if !ok {
				u, ok = a.processOf(s.PID)
			}
			if !ok {
				u = bpf.Usage{Account: bpf.Account{TGID: s.PID}}
			}
			row = a.ensure(&u, places)
			h.byPID[s.PID] = row
		}
		u := a.rows[row]
		u.Time, u.Switches = 0, 0
		h.users[s.PID] = u
		h.device[s.Domain] = resize(h.device[s.Domain], row+1)
		h.device[s.Domain][row] += int64(s.Busy)
	}
	if len(h.users) > maxPending {
		clear(h.users)
	}
}

// maxShare is more device time than any step has.
const maxShare = 24 * time.Hour

// resize gives s the length n; what is new is zero.
func resize[T any](s []T, n int) []T {
	for len(s) < n {
		var zero T
		s = append(s, zero)
	}
	return s
}

// How the active part of a domain is shared.
const (
	splitCPUTime  = "cpu_time"
	splitResident = "resident_set" // times the time that it was held
	// CPU time times the root of the resident set: memory that nobody runs on is not used, and misses of a cache go by the root of how much
	// larger the memory is (Hartstein, Srinivasan, Puzak and Emma, Cache miss behavior: is it the square root of 2?, CF'06).
	splitResidentTime = "resident_set_cpu_time"
	splitMisses       = "cache_misses"
	splitBlockIO      = "block_io_bytes"
	splitDevice       = "device_time"
	splitNobody       = "none" // nothing tells who used it
)

// DRAMSplits are how the active part of the memory behind a package can be split; the first is what is done unasked.
var DRAMSplits = []string{splitResidentTime, splitResident, splitMisses, splitCPUTime}

func splitOf(d *energy.Domain, dram string) string {
	switch d.Scope {
	case energy.ScopeDRAM:
		return cmp.Or(dram, DRAMSplits[0])
	case energy.ScopeRAM:
		return splitResident
	case energy.ScopeStorage:
		return splitBlockIO
	case energy.ScopeGPU:
		if d.Shared {
			return splitDevice
		}
		return splitNobody
	}
	return splitCPUTime
}

// unused is the part of the memory's energy that no process holds: of what is free, and of the kernel's own use and caches. Pages that
// processes share are counted with each, so they may hold more than there is.
func (h *holdings) unused(e units.Microjoules, memoryBytes int64) units.Microjoules {
	all := float64(memoryBytes/memoryUnit) * (float64(h.span) / float64(memoryTick))
	if all <= 0 {
		return e
	}
	held := 0.0
	for _, w := range h.memory {
		held += float64(w)
	}
	return min(e, units.Microjoules(float64(e)*max(0, 1-held/all)))
}
