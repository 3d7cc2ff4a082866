/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Events that the processor or the kernel counts on each CPU: what came between two switches is the slice's. */
#ifndef ECO2_COUNTER_H
#define ECO2_COUNTER_H

/* A perf event for each CPU that was online when user space put them here. */
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(u32));
} counters SEC(".maps");

#define NOT_READ (~0ULL)

/* Note how many events there were since the last look. A CPU that came online later has no counter; of one that went and came back the
 * kernel says that its counter does not run. Then, and up to the first look that finds one, there is nothing to tell. */
static __noinline int read_counter(struct cpu_state *c)
{
	struct bpf_perf_event_value v;
	u64 was, is = NOT_READ;

	if (!c)
		return 0;
	if (!bpf_perf_event_read_value(&counters, BPF_F_CURRENT_CPU, &v, sizeof(v)))
		is = v.counter;
	else if (c->pid)
		c->uncounted++;
	was = c->counter;
	c->counter = is;
	c->events = is == NOT_READ || is < was ? 0 : is - was; /* NOT_READ is the highest */
	return 0;
}

#endif
