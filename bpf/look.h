/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What each process holds of memory and has moved to and from disks, by the kernel's own counts. Who lives is read when user space
 * looks; what ends between two looks is told by a ring. Nothing here runs at a context switch. */
#ifndef ECO2_LOOK_H
#define ECO2_LOOK_H

/* What this kernel counts. */
enum counted counts = 0;

/* Ends that the ring had no room for. */
u64 ends_lost = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ends SEC(".maps");

static __always_inline u32 what_is_counted(struct task_struct *t)
{
	u32 what = 0;

	if (bpf_core_field_exists(t->ioac.read_bytes))
		what |= COUNTED_IO;
	if (bpf_core_field_exists(struct mm_struct, rss_stat) ||
	    bpf_core_field_exists(struct mm_struct___6_1, rss_stat))
		what |= COUNTED_PAGES;
	return what;
}

/* One counter, MM_FILEPAGES and so on. It lacks what other CPUs have not handed in yet: see holding.pages. The old form is not read
 * directly: the verifier of 5.10 does not look through a typedef in an array. */
#define COUNTER(mm, kind)                                                                                              \
	({                                                                                                             \
		s64 n = 0;                                                                                             \
		if (bpf_core_field_exists(struct mm_struct, rss_stat))                                                 \
			n = (mm)->rss_stat[kind].count;                                                                \
		else if (bpf_core_field_exists(struct mm_struct___6_1, rss_stat))                                      \
			n = BPF_CORE_READ((struct mm_struct___6_1 *)(mm), rss_stat.count[kind].counter);               \
		n < 0 ? 0 : (u64)n;                                                                                    \
	})

static __always_inline u64 resident(struct mm_struct *mm)
{
	u64 n = COUNTER(mm, MM_FILEPAGES) + COUNTER(mm, MM_ANONPAGES) + COUNTER(mm, MM_SHMEMPAGES);

	return n ? n : 1; /* all of them still with the CPUs: it has at least its stack */
}

/* The most pages that a process ever held, at its end. */
static __always_inline u64 peak(struct task_struct *t)
{
	struct mm_struct *mm = t->mm;
	u64 most, size;

	if (mm) { /* since 6.16, where the end is told before the address space is given back */
		size = resident(mm);
		most = mm->hiwater_rss; /* brought up to date only before it shrinks */
		return size > most ? size : most;
	}
	/* Of all address spaces that the process ever had: also of its parent's, which it was born into and left by exec. No more than the
	 * size of the last one, where the task still borrows that (seen on 5.10; on 6.1 it does not bound it). */
	most = t->signal->maxrss;
	mm = t->active_mm;
	size = mm->hiwater_vm > mm->total_vm ? mm->hiwater_vm : mm->total_vm;
	return most < size ? most : size;
}

/* What a thread has moved; false: nothing. */
static __always_inline bool moved(struct holding *h, struct task_struct *t)
{
	if (!bpf_core_field_exists(t->ioac.read_bytes))
		return false;
	h->read = t->ioac.read_bytes;
	h->written = t->ioac.write_bytes;
	h->cancelled = t->ioac.cancelled_write_bytes;
	return h->read | h->written | h->cancelled;
}

/* What threads of its process have moved that were released before; not signal->ioac, which has what children moved as well. */
static __always_inline void left(struct holding *h, struct task_struct *t)
{
	h->left_read = (u64)t->signal->inblock << 9;
	h->left_written = (u64)t->signal->oublock << 9;
}

/* Whose it is: all threads' is the process's, as its leader is named; also a leader that ended before them. As identify() has it, but by
 * direct loads, which a task that a program was given allows: half the time. */
static __noinline bool name_holder(struct holding *h, struct task_struct *t)
{
	struct task_struct *leader = t->group_leader;
	u32 tgid = t->tgid;

	/* The leader of a thread that was released meanwhile may be anything. */
	if (leader->pid != (int)tgid || leader->tgid != (int)tgid)
		return false;
	h->start = leader->start_boottime;
	h->cgroup = cgroup_v1 ? cgroup_id(leader) : leader->cgroups->dfl_cgrp->kn->id;
	h->tgid = tgid;
	h->uid = leader->cred->uid.val;
	h->ppid = leader->real_parent->tgid;
	h->execs = leader->self_exec_id;
	if (leader->flags & PF_KTHREAD)
		h->flags |= HOLDING_KTHREAD;
	bpf_probe_read_kernel(h->comm, sizeof(h->comm), leader->comm);
	if (follow) {
		struct follow_state *f = bpf_map_lookup_elem(&followed, &tgid);

		if (f && !f->children_only)
			h->root = f->root;
	}
	return h->start;
}

/* Every process that holds memory, and every thread that has moved anything. */
SEC("iter/task")
int look_at_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct holding h = {};
	bool any, leads;

	if (!t || t->exit_state) /* its end has been told */
		return 0;
	left(&h, t);
	barrier(); /* in this order: a thread that is not in exit from here on cannot be in that as well */
	any = moved(&h, t);
	leads = t->pid == t->tgid;
	if (t->flags &
	    PF_EXITING) { /* what it moved is told at its end, which may have been: not counted here as well */
		h.flags = HOLDING_ENDING;
		any |= leads;
	} else if (t->mm && !(t->flags & PF_KTHREAD) && (leads || !t->group_leader->mm)) {
		h.pages = resident(t->mm);
		any = true;
	}
	if (any && name_holder(&h, t))
		bpf_seq_write(ctx->meta->seq, &h, sizeof(h));
	return 0;
}

/* The end of a thread that has moved anything, and of a process. What is moved afterwards, when its files are closed, is not seen:
 * mostly pages of deleted files that need not be written any more. Some kernels (seen on 7.3) let a task be preempted in here, and then
 * skip the program for the next one that ends on this CPU meanwhile. Losses.Recursion counts that, and what a thread had moved is seen
 * once it is released. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(tell_end, struct task_struct *t)
{
	struct holding h = {};
	bool any = moved(&h, t);

	if (!t->signal->live.counter) { /* the last thread; two that end together may both be */
		h.flags = HOLDING_ENDED;
		h.exited = bpf_ktime_get_boot_ns();
		h.pages = peak(t);
		left(&h, t);
	} else if (!any) {
		return 0;
	}
	if (!name_holder(&h, t) || bpf_ringbuf_output(&ends, &h, sizeof(h), BPF_RB_NO_WAKEUP))
		__sync_fetch_and_add(&ends_lost, 1);
	return 0;
}

#endif
