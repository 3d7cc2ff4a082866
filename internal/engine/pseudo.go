package engine

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
)

// interruptsOf is a CPU's time in interrupts in a step, where the kernel counts it apart.
func interruptsOf(prev, cur *Edge, cpu int) time.Duration {
	if cpu >= len(prev.Interrupts) || cpu >= len(cur.Interrupts) {
		return 0
	}
	return max(0, cur.Interrupts[cpu]-prev.Interrupts[cpu])
}

// addInterrupts gives them a row.
func (a *accounts) addInterrupts(places *places, prev, cur *Edge) {
	for cpu := range cur.Interrupts {
		if t := interruptsOf(prev, cur, cpu); t > 0 {
			a.add(&bpf.Usage{Account: bpf.Account{TID: interruptID}, CPU: cpu, Time: t}, places)
		}
	}
}

// addReserved gives a row to each cgroup that has reserved a part of the machine.
func (a *accounts) addReserved(places *places, all []Reservation) {
	left := int64(ReservedAll)
	for _, r := range all {
		if r.Parts <= 0 {
			continue
		}
		row := a.ensure(&bpf.Usage{Account: bpf.Account{TID: reservedID, Cgroup: r.Cgroup}}, places)
		parts := min(r.Parts, left)
		a.reserved[row] += parts
		left -= parts
	}
}
