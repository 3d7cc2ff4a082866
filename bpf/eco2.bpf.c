//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Who used the CPU: clock-free accounting at the context switch.
 *
 * When sched_switch is traced the scheduler has just brought prev->se.sum_exec_runtime up to date, for every class but idle. So a
 * slice is the difference between that and its value when prev was switched in on this CPU: no clock is read, and neither steal
 * nor (where the kernel accounts it) interrupt time is charged to the task.
 *
 * Two sets of slots, one for each parity of the epoch: user space flips the epoch, waits until no CPU can still be writing the old
 * set (see edge below), reads it and empties it. */
#include "eco2.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Knobs, set before load. */
const volatile u32 slot_mask = 1023; /* slots of one CPU and epoch, less one; a power of two less one */
const volatile bool cgroup_v1 = false;
const volatile bool follow = false;
const volatile bool threads = false;      /* tell threads apart: costs a slot for each */
const volatile bool smt = false;          /* sum up the time beside a busy sibling: costs a clock at each switch */
const volatile bool count_events = false; /* costs reading a counter at each switch */

/* Drains so far, to know how long ago a process exited. Only user space writes it. */
volatile u32 drains = 0;
/* Address of the fair scheduling class; 0: not known. */
u64 fair_class = 0;
/* Process id of user space's process, as the kernel counts them: in a pid namespace it knows itself by another. */
u32 self_tgid = 0;
/* Processes followed by a fork, and those that could not be because the map was full. */
u64 follow_added = 0;
u64 follow_lost = 0;

/* One element a CPU: a struct cpu_state and behind it two sets of slots. User space sets the number of slots, and so the value's
 * size, before load; slot_mask is then a constant to the verifier. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct cpu_state) + 2 * 1024 * sizeof(struct slot));
} cpus SEC(".maps");

/* Accounts whose slots were taken, one map for each parity of the epoch. */
struct spill_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct spill_key);
	__type(value, struct slot);
};
struct spill_map spill_even SEC(".maps");
struct spill_map spill_odd SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, u32); /* tgid */
	__type(value, struct follow_state);
} followed SEC(".maps");

#include "beside.h"
#include "counter.h"

static __always_inline u64 cgroup_id(struct task_struct *t)
{
	struct css_set *cset = BPF_CORE_READ(t, cgroups);
	struct cgroup_subsys_state *css = 0;

	if (!cgroup_v1)
		return BPF_CORE_READ(cset, dfl_cgrp, kn, id);
	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, cpu_cgrp_id))
		return 0;
	bpf_probe_read_kernel(&css, sizeof(css),
			      (void *)cset + bpf_core_field_offset(struct css_set, subsys) +
				      sizeof(css) * bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id));
	return BPF_CORE_READ(css, cgroup, kn, id);
}

/* start_boottime of a task's group; 0: its leader was released already, and would read as garbage. Only a leader has the group's pid. */
static __always_inline u64 leader_start(struct task_struct *t, u32 tgid)
{
	if (BPF_CORE_READ(t, group_leader, pid) != (int)tgid)
		return 0;
	return BPF_CORE_READ(t, group_leader, start_boottime);
}

/* As COUNTER in look.h, of an address space of which only the address is known. */
#define COUNTED(mm, kind)                                                                                              \
	({                                                                                                             \
		s64 n = 0;                                                                                             \
		if (bpf_core_field_exists(struct mm_struct, rss_stat))                                                 \
			n = BPF_CORE_READ(mm, rss_stat[kind].count);                                                   \
		else if (bpf_core_field_exists(struct mm_struct___6_1, rss_stat))                                      \
			n = BPF_CORE_READ((struct mm_struct___6_1 *)(mm), rss_stat.count[kind].counter);               \
		n < 0 ? 0 : (u64)n;                                                                                    \
	})

/* What a task's process holds, of which only the address is known; 0: nothing, or not known. In exit a thread has no address space any
 * more: then its leader's, and in the last one's the most that the process ever held, as peak() in look.h has it. */
static __always_inline u64 pages_of(struct task_struct *t, struct task_struct *leader, u32 flags)
{
	struct mm_struct *mm = BPF_CORE_READ(t, mm);
	u64 most, size;

	if (flags & PF_KTHREAD) /* it may borrow one */
		return 0;
	if (!mm)
		mm = BPF_CORE_READ(leader, mm);
	if (!bpf_core_field_exists(struct mm_struct, rss_stat) &&
	    !bpf_core_field_exists(struct mm_struct___6_1, rss_stat))
		return 0;
	if (mm) {
		size = COUNTED(mm, MM_FILEPAGES) + COUNTED(mm, MM_ANONPAGES) + COUNTED(mm, MM_SHMEMPAGES);
		return size ? size : 1;
	}
	most = BPF_CORE_READ(t, signal, maxrss);
	size = BPF_CORE_READ(t, active_mm, hiwater_vm);
	if (size < BPF_CORE_READ(t, active_mm, total_vm))
		size = BPF_CORE_READ(t, active_mm, total_vm);
	return size < most ? size : most;
}

/* Read who the task is. A released non-leader thread may have a dangling leader: it names itself. */
static __noinline void identify(struct slot *s, struct task_struct *t)
{
	u32 tgid = BPF_CORE_READ(t, tgid);
	u64 start = leader_start(t, tgid);
	struct task_struct *leader = start ? BPF_CORE_READ(t, group_leader) : t;
	struct task_struct *named = threads ? t : leader;
	u32 flags;

	s->tgid = tgid;
	s->leader_start = start;
	bpf_probe_read_kernel(s->comm, sizeof(s->comm),
			      (void *)named + bpf_core_field_offset(struct task_struct, comm));
	s->execs = BPF_CORE_READ(t, self_exec_id);
	s->uid = BPF_CORE_READ(t, cred, uid.val);
	s->ppid = start ? BPF_CORE_READ(leader, real_parent, tgid) : 0;
	s->cgroup = cgroup_id(t);
	flags = BPF_CORE_READ(t, flags);
	s->flags = flags & PF_KTHREAD ? SLOT_KTHREAD : 0;
	s->pages = pages_of(t, leader, flags);
	s->root = 0;
	if (follow) {
		struct follow_state *f = bpf_map_lookup_elem(&followed, &tgid);

		if (f && !f->children_only)
			s->root = f->root;
	}
}

static __always_inline void fill(struct slot *s, struct task_struct *t, u32 id, u64 start, u64 css, u64 mm)
{
	s->start = start;
	s->css = css;
	s->mm = mm;
	s->ns = 0;
	s->switches = 0;
	s->beside = 0;
	s->counted = 0;
	identify(s, t);
	s->id = id;
}

static __always_inline bool matches(struct slot *s, u32 id, u64 start, u64 css)
{
	return s->id == id && (s->start == start || !start) && s->css == css;
}

/* The first place of a hash in a set of slots. In assembly, so that no compiler can put the mask or a bounded value on the stack
 * in between: before 5.16 the verifier forgets the bounds of a number that was spilled, and then refuses the access. */
static __always_inline struct slot *slot_at(struct cpu_state *c, u64 parity, u64 hash)
{
	u64 mask;

	_Static_assert(sizeof(struct slot) == 1 << 7, "the shift below is the size of a slot");
	asm volatile("%[mask] = *(u32 *)(%[knob] + 0)\n"
		     "%[hash] &= %[mask]\n"
		     "%[mask] += 1\n"
		     "%[parity] &= 1\n"
		     "%[parity] = -%[parity]\n"
		     "%[parity] &= %[mask]\n"
		     "%[hash] += %[parity]\n"
		     "%[hash] <<= 7\n"
		     "%[hash] += %[slots]\n"
		     : [hash] "+r"(hash), [parity] "+r"(parity), [mask] "=&r"(mask)
		     : [knob] "r"(&slot_mask), [slots] "r"(c + 1));
	return (struct slot *)hash;
}

static __always_inline struct slot *spill(struct cpu_state *c, u32 parity, struct task_struct *t, u32 id, u64 start,
					  u64 css, u64 mm)
{
	struct spill_key key = { .start = start, .css = css, .id = id, .cpu = bpf_get_smp_processor_id() };
	void *map = parity ? (void *)&spill_odd : (void *)&spill_even;
	struct slot *s = bpf_map_lookup_elem(map, &key);
	struct slot fresh = {};

	if (s)
		return s;
	fill(&fresh, t, id, start, css, mm);
	if (bpf_map_update_elem(map, &key, &fresh, BPF_NOEXIST))
		return 0;
	c->spilled[parity]++;
	return bpf_map_lookup_elem(map, &key);
}

/* At the end of a slice: what there was beside it. */
static __always_inline void look_around(struct cpu_state *c)
{
	if (smt && c->sibling)
		look_beside(c);
	if (count_events)
		read_counter(c);
}

/* Add a slice to its account wherever that is: the cold path, and the whole of it. */
static __noinline int settle(struct cpu_state *c, struct task_struct *t, u32 parity, s64 ns, u32 switches)
{
	u32 id = threads ? BPF_CORE_READ(t, pid) : BPF_CORE_READ(t, tgid), at = id;
	u64 css = (u64)BPF_CORE_READ(t, cgroups);
	u64 mm = (u64)BPF_CORE_READ(t, mm);
	struct slot *s;
	u64 start;

	parity &= 1;
	if (!c)
		return 0;
	s = slot_at(c, parity, at);
	if (ns < 0) {
		c->missed++;
		return 0;
	}
	start = threads ? BPF_CORE_READ(t, start_boottime) : leader_start(t, id);

	if (!matches(s, id, start, css) && s->id) { /* taken: a second place, by other bits */
		at = id * 0x9E3779B1u >> 12;
		s = slot_at(c, parity, at);
	}
	if (!s->id) {
		fill(s, t, id, start, css, mm);
		s->next = c->head[parity];
		c->head[parity] = (at & slot_mask) + 1;
	} else if (!matches(s, id, start, css)) {
		s = spill(c, parity, t, id, start, css, mm);
		if (!s) {
			c->overflow_ns[parity] += ns;
			c->overflow_switches[parity] += switches;
			if (smt)
				c->overflow_beside[parity] += part_of(c, ns);
			if (count_events)
				c->overflow_counted[parity] += c->events;
			return 0;
		}
	}
	/* exec gave it another address space, then a name, then another self_exec_id: in between it is looked at again next time. In exit
	 * a thread has no address space; a kernel thread may borrow one. */
	if (s->mm != mm) {
		if (s->execs != (u32)BPF_CORE_READ(t, self_exec_id)) {
			s->mm = mm;
			identify(s, t);
		} else if (!s->mm || s->flags & SLOT_KTHREAD) {
			s->mm = mm;
		}
	}
	s->ns += ns;
	s->switches += switches;
	if (smt)
		s->beside += part_of(c, ns);
	if (count_events)
		s->counted += c->events;
	return 0;
}

/* Note that a real-time task has been charged up to now. */
static __noinline int note_left(struct cpu_state *c, struct task_struct *t, u64 now)
{
	u32 pid = BPF_CORE_READ(t, pid);
	struct left *l;

	if (!c)
		return 0;
	l = &c->left[pid & (LEFT_SLOTS - 1)];
	l->task = (u64)t;
	l->ran = now;
	l->prev = BPF_CORE_READ(t, se.prev_sum_exec_runtime);
	l->migrations = BPF_CORE_READ(t, se.nr_migrations);
	l->pid = pid;
	return 0;
}

/* The slice of a real-time task that came unseen: what it ran since it was last charged here, if it has been nowhere else since. */
static __noinline s64 since_left(struct cpu_state *c, struct task_struct *t, u64 now)
{
	u32 pid = BPF_CORE_READ(t, pid);
	struct left *l;

	if (!c || BPF_CORE_READ(t, prio) >= MAX_RT_PRIO)
		return -1;
	l = &c->left[pid & (LEFT_SLOTS - 1)];
	if (l->task != (u64)t || l->pid != pid || l->migrations != (u32)BPF_CORE_READ(t, se.nr_migrations) ||
	    l->prev != BPF_CORE_READ(t, se.prev_sum_exec_runtime))
		return -1;
	return now - l->ran;
}

static __always_inline u64 times_left(struct task_struct *t)
{
	return BPF_CORE_READ(t, nvcsw) + BPF_CORE_READ(t, nivcsw);
}

/* The slice of the task on record, which left this CPU unseen. If it has left only once since it came, it has either not run since, or
 * runs now, and then the fair class noted sum_exec_runtime when that began. Later it can no longer be told what ran where. It may be gone:
 * then its memory still says who it was, or somebody else is there. */
static __noinline int settle_left(struct cpu_state *c, u32 parity)
{
	struct task_struct *t;
	u64 ran;

	if (!c)
		return 0;
	t = (struct task_struct *)c->task;
	if (!fair_class || fair_class != (u64)BPF_CORE_READ(t, sched_class) || c->pid != (u32)BPF_CORE_READ(t, pid) ||
	    c->tgid != (u32)BPF_CORE_READ(t, tgid) || times_left(t) != c->left_before + 1) {
		c->missed++;
		return 0;
	}
	ran = BPF_CORE_READ(t, se.prev_sum_exec_runtime);
	if (ran <= c->start)
		ran = BPF_CORE_READ(t, se.sum_exec_runtime);
	return settle(c, t, parity, ran - c->start, 1);
}

/* The slice of a task that this CPU does not have on record. */
static __noinline int unmatched(struct cpu_state *c, struct task_struct *t, u32 parity, u64 now, u32 switches)
{
	u32 pid = BPF_CORE_READ(t, pid);
	s64 ns;

	if (!c || !c->task) /* the first switch that is seen on this CPU */
		return 0;
	/* A thread that calls exec swaps pids with its leader in the middle of a slice (de_thread() in fs/exec.c). */
	if (pid && c->task == (u64)t && c->tgid == (u32)BPF_CORE_READ(t, tgid))
		return settle(c, t, parity, now - c->start, switches);
	/* Someone left this CPU, or came, unseen. How long the sibling was busy meanwhile is known of both together; who caused which events
	 * is not. */
	if (count_events)
		c->events = 0;
	if (c->pid)
		settle_left(c, parity);
	if (!pid)
		return 0;
	/* Of who came the fair class's note tells too, see set_next_entity(). Other classes
	 * leave an old value there; of real-time tasks we keep notes of our own. */
	if (fair_class && fair_class == (u64)BPF_CORE_READ(t, sched_class))
		return settle(c, t, parity, now - BPF_CORE_READ(t, se.prev_sum_exec_runtime), switches);
	ns = since_left(c, t, now);
	if (BPF_CORE_READ(t, prio) < MAX_RT_PRIO)
		note_left(c, t, now);
	if (ns >= 0)
		return settle(c, t, parity, ns, switches);
	c->missed++;
	return 0;
}

#include "events.h"
#include "look.h"

/* costly is constant: without it nothing of beside.h and counter.h is left in here. */
static __always_inline int switched(struct task_struct *prev, struct task_struct *next, bool costly)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct cpu_state *c = bpf_map_lookup_elem(&cpus, &cpu);
	u32 parity;
	u32 pid = prev->pid;
	u64 now = prev->se.sum_exec_runtime;

	if (!c)
		return 0;
	if (costly)
		look_around(c);
	parity = c->epoch & 1;
	if (c->pid != pid) {
		unmatched(c, prev, parity, now, 1);
	} else if (pid) { /* not idle, which is one task per CPU and what is left of the wall time */
		s64 ns = now - c->start;
		u32 id = threads ? pid : prev->tgid;
		u64 mm = (u64)prev->mm;
		struct slot *s = slot_at(c, parity, id);
		u64 start;

		if (pid == id) {
			start = prev->start_boottime;
			barrier_var(start); /* else clang merges both loads into one that needs checking at run time */
		} else { /* a released leader reads as garbage, which matches no slot; settle() knows better */
			start = prev->group_leader->start_boottime;
		}
		if (ns >= 0 && s->id == id && s->start == start && s->css == (u64)prev->cgroups && s->mm == mm) {
			s->ns += ns;
			s->switches++;
			if (costly && smt)
				s->beside += part_of(c, ns);
			if (costly && count_events)
				s->counted += c->events;
		} else {
			settle(c, prev, parity, ns, 1);
		}
		/* Of a fair task both are the same unless its slice crossed a window's edge: its prio, on a line of its own, is not read. */
		if (prev->se.prev_sum_exec_runtime != c->start && prev->prio < MAX_RT_PRIO)
			note_left(c, prev, now);
	}
	c->task = (u64)next;
	c->start = next->se.sum_exec_runtime;
	c->pid = next->pid;
	c->tgid = next->tgid;
	c->left_before = next->nvcsw + next->nivcsw;
	if (costly && smt)
		mark_busy(c, c->pid);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	return switched(prev, next, false);
}

/* In its place with the knobs smt and count_events. */
SEC("tp_btf/sched_switch")
int BPF_PROG(costly_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	return switched(prev, next, true);
}

/* Run by user space on a CPU that is not idle (BPF_PROG_TEST_RUN, an interrupt on that CPU, so no switch can happen meanwhile):
 * charges the slice that is open at the window's edge to the epoch args[0] that ends there. sum_exec_runtime of a running task is
 * fresh to its last tick; what the edge cuts off belongs to the next window. When it returns, no program on that CPU still writes
 * the old epoch's slots. */
SEC("raw_tp/edge")
int edge(struct bpf_raw_tracepoint_args *ctx)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct cpu_state *c = bpf_map_lookup_elem(&cpus, &cpu);
	struct task_struct *t = (struct task_struct *)bpf_get_current_task();
	u64 now = BPF_CORE_READ(t, se.sum_exec_runtime);
	u32 parity = ctx->args[0] & 1;
	u32 pid = BPF_CORE_READ(t, pid);

	if (!c)
		return 0;
	look_around(c);
	if (c->pid != pid)
		unmatched(c, t, parity, now, 0);
	else if (pid)
		settle(c, t, parity, now - c->start, 0);
	if (pid && BPF_CORE_READ(t, prio) < MAX_RT_PRIO)
		note_left(c, t, now);
	c->task = (u64)t;
	c->start = now;
	c->pid = pid;
	c->tgid = BPF_CORE_READ(t, tgid);
	c->left_before = times_left(t);
	if (smt)
		mark_busy(c, pid);
	return 0;
}

/* Run by user space on a thread of its own; args[0]: it knows the thread to be of the fair class. */
SEC("raw_tp/learn")
int learn(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *t = (struct task_struct *)bpf_get_current_task();

	self_tgid = BPF_CORE_READ(t, tgid);
	counts = what_is_counted(t);
	if (ctx->args[0] && bpf_core_field_exists(t->se.prev_sum_exec_runtime))
		fair_class = (u64)BPF_CORE_READ(t, sched_class);
	return 0;
}

/* Children of a followed process are followed from before their first instruction. */
static __noinline int follow_child(struct task_struct *parent, struct task_struct *child)
{
	u32 ptgid = BPF_CORE_READ(parent, tgid), tgid = BPF_CORE_READ(child, tgid);
	struct follow_state *f = bpf_map_lookup_elem(&followed, &ptgid), new = {};

	if (!f) {
		/* An earlier process of this pid may have been followed. */
		if (bpf_map_lookup_elem(&followed, &tgid))
			bpf_map_delete_elem(&followed, &tgid);
		return 0;
	}
	new.root = f->root;
	if (bpf_map_update_elem(&followed, &tgid, &new, BPF_ANY))
		__sync_fetch_and_add(&follow_lost, 1);
	else
		__sync_fetch_and_add(&follow_added, 1);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct event *e;

	if (child->pid != child->tgid) /* a thread */
		return 0;
	if (follow)
		follow_child(parent, child);
	e = tell ? new_event(SCRATCH_FORK, EVENT_FORK) : 0;
	if (!e)
		return 0;
	describe(&e->head, child);
	e->head.ppid = BPF_CORE_READ(parent, tgid); /* who forked it: with CLONE_PARENT it has another parent */
	e->head.pstart = BPF_CORE_READ(parent, group_leader, start_boottime);
	send(e, 0, false);
	return 0;
}

/* The last slice of a process comes after this, so only a note is left here; user space deletes the entry windows later. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *t)
{
	struct event *e;

	if (t->signal->live.counter) /* other threads live on */
		return 0;
	if (follow) {
		u32 tgid = t->tgid;
		struct follow_state *f = bpf_map_lookup_elem(&followed, &tgid);

		if (f)
			f->exited = drains + 1;
	}
	e = tell ? new_event(SCRATCH_EXIT, EVENT_EXIT) : 0;
	if (!e)
		return 0;
	describe(&e->head, t);
	send(e, 0, false);
	return 0;
}
