package bpf

import "time"

// overflow is what no table had room for in the last window, by CPU.
type overflow struct {
	time    []time.Duration
	beside  []time.Duration
	counted []uint64
}

func newOverflow(ncpu int) overflow {
	return overflow{make([]time.Duration, ncpu), make([]time.Duration, ncpu), make([]uint64, ncpu)}
}

// take empties a CPU's record of the epoch that ended, and returns the time in it.
func (o *overflow) take(cpu int, st *eco2CpuState, ended uint32) time.Duration {
	o.time[cpu] = time.Duration(st.OverflowNs[ended])
	o.beside[cpu], o.counted[cpu] = 0, 0
	if o.time[cpu] > 0 { // seldom: else the line is not touched
		o.beside[cpu], o.counted[cpu] = time.Duration(st.OverflowBeside[ended]), st.OverflowCounted[ended]
		st.OverflowNs[ended], st.OverflowBeside[ended], st.OverflowCounted[ended] = 0, 0, 0
	}
	return o.time[cpu]
}

// Overflow returns, by CPU, the time of the last window that no table had room for. The slice is the Collector's own.
func (c *Collector) Overflow() []time.Duration { return c.overflow.time }

// OverflowBeside returns, by CPU, what of Overflow was beside a busy sibling, with Options.Siblings. The slice is the Collector's own.
func (c *Collector) OverflowBeside() []time.Duration { return c.overflow.beside }

// OverflowCounted returns, by CPU, the events of Overflow, with Options.Counter. The slice is the Collector's own.
func (c *Collector) OverflowCounted() []uint64 { return c.overflow.counted }
