/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Time beside a busy sibling: two CPUs of one core share it, so a slice does less, and uses less, while both are busy. Each CPU shows
 * how long it has been busy, which is whenever it runs anything but the idle task; the other one reads that at the ends of its slices.
 *
 * Slices are in the scheduler's time, which leaves out steal and, on some kernels, interrupts; how long a sibling was busy can only be
 * in that of a clock. So of each slice the same part was beside it as of the time by the clock. A switch that is not traced leaves a CPU
 * shown as it was until the next one. */
#ifndef ECO2_BESIDE_H
#define ECO2_BESIDE_H

#define BUSY (1ULL << 63)
#define WHOLE_SHIFT 20
#define WHOLE (1ULL << WHOLE_SHIFT)

/* One word, so that nobody reads half of it: with BUSY when the CPU would have become busy had it never been idle since, without how long
 * it was busy. */
static __always_inline u64 busy_time(u64 word, u64 now)
{
	return word & BUSY ? now - (word & ~BUSY) : word;
}

/* Show whether this CPU is busy from its last look on. */
static __always_inline void mark_busy(struct cpu_state *c, bool busy)
{
	u64 word = c->busy;

	if (c->sibling && busy != word >> 63)
		*(volatile u64 *)&c->busy = busy ? BUSY | (c->since - word) : busy_time(word, c->since);
}

/* Note which part of the time since the last look the sibling was busy. */
static __noinline int look_beside(struct cpu_state *c)
{
	struct cpu_state *sibling;
	u64 word, now, busy;
	s64 beside, time;
	u32 cpu;

	if (!c)
		return 0;
	cpu = c->sibling - 1;
	sibling = bpf_map_lookup_elem(&cpus, &cpu);
	if (!sibling)
		return 0;
	word = *(volatile u64 *)&sibling->busy;
	now = bpf_ktime_get_ns(); /* after it: else it could have become busy later than now */
	busy = busy_time(word, now);
	beside = busy - c->sibling_busy;
	time = now - c->since;
	c->sibling_busy = busy;
	c->since = now;

	if (beside <= 0) { /* the CPUs' clocks may differ by a little */
		c->part = 0;
	} else if (beside >= time) {
		c->part = WHOLE;
	} else {
		if ((u64)time >> (63 - WHOLE_SHIFT)) { /* hours: else the shift below is too far */
			beside >>= WHOLE_SHIFT;
			time >>= WHOLE_SHIFT;
		}
		c->part = ((u64)beside << WHOLE_SHIFT) / (u64)time;
	}
	return 0;
}

/* What of a slice was beside it; no more than all of it. */
static __always_inline u64 part_of(struct cpu_state *c, u64 ns)
{
	return (ns >> WHOLE_SHIFT) * c->part + ((ns & (WHOLE - 1)) * c->part >> WHOLE_SHIFT);
}

#endif
