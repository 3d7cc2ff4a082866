/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Rare events: who began, became another program, or ended; which cgroup came or went. With them a process that is gone before
 * anyone looks has its program, its command line's start, its parent and its cgroup's path. */
#ifndef ECO2_EVENTS_H
#define ECO2_EVENTS_H

/* Events that the ring had no room for: user space then looks at all tasks once (see find_tasks). */
u64 events_lost = 0;

/* Whether anyone reads them. */
const volatile bool tell = false;

/* The hierarchy whose cgroups are told of, as cgroup_root numbers it. */
const volatile int hierarchy = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

/* Where an event is put together, one place for each program: they may be preempted. */
enum { SCRATCH_FORK, SCRATCH_EXEC, SCRATCH_EXIT, SCRATCH_NAME, SCRATCH_CGROUP, SCRATCHES };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, u32);
	__type(value, struct event);
} scratch SEC(".maps");

/* Bytes in the ring from which its reader is woken; below that it looks when a window ends. */
const volatile u32 ring_half = 2048;

static __always_inline void send(struct event *e, u64 text, bool now)
{
	u64 flags = BPF_RB_NO_WAKEUP;

	barrier_var(text); /* else clang knows that the next line changes nothing and the verifier does not */
	text &= 2047;
	if (text > sizeof(e->text))
		text = sizeof(e->text);
	if (now || bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) >= ring_half)
		flags = BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_output(&events, e, sizeof(e->head) + text, flags))
		__sync_fetch_and_add(&events_lost, 1);
}

static __always_inline void describe(struct event_head *h, struct task_struct *t)
{
	struct task_struct *leader = BPF_CORE_READ(t, group_leader);

	h->tgid = BPF_CORE_READ(t, tgid);
	h->start = BPF_CORE_READ(leader, start_boottime);
	h->cgroup = cgroup_id(t);
	h->ppid = BPF_CORE_READ(leader, real_parent, tgid);
	h->pstart = BPF_CORE_READ(leader, real_parent, group_leader, start_boottime);
	h->uid = BPF_CORE_READ(t, cred, uid.val);
	bpf_probe_read_kernel(h->comm, sizeof(h->comm),
			      (void *)leader + bpf_core_field_offset(struct task_struct, comm));
}

static __always_inline struct event *new_event(u32 place, u32 kind)
{
	struct event *e = bpf_map_lookup_elem(&scratch, &place);

	if (e) {
		__builtin_memset(&e->head, 0, sizeof(e->head));
		e->head.kind = kind;
	}
	return e;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *t, int old_pid, struct linux_binprm *bprm)
{
	struct event *e = new_event(SCRATCH_EXEC, EVENT_EXEC);
	u64 start, size;
	long n;

	if (!e)
		return 0;
	describe(&e->head, t);
	/* The kernel has just written the arguments into the new address space, which is the current one. */
	start = BPF_CORE_READ(t, mm, arg_start);
	size = BPF_CORE_READ(t, mm, arg_end) - start;
	e->head.args_total = size;
	if (size > ARGS_MAX)
		size = ARGS_MAX;
	if (bpf_probe_read_user(e->text, size, (void *)start))
		size = 0;
	e->head.args = size;
	barrier_var(size);
	size &= 511;
	n = bpf_probe_read_kernel_str(e->text + size, EXE_MAX, BPF_CORE_READ(bprm, interp));
	if (n < 0)
		n = 0;
	e->head.rest = n;
	send(e, size + n, false);
	return 0;
}

SEC("tp_btf/task_rename")
int BPF_PROG(task_rename, struct task_struct *t, const char *comm)
{
	struct event *e;

	if (t->pid != t->tgid)
		return 0;
	e = new_event(SCRATCH_NAME, EVENT_NAME);
	if (!e)
		return 0;
	describe(&e->head, t);
	bpf_probe_read_kernel_str(e->head.comm, sizeof(e->head.comm), comm); /* the task has it in a moment */
	send(e, 0, false);
	return 0;
}

static __always_inline int tell_of_cgroup(struct cgroup *cgrp, const char *path, u32 kind)
{
	struct event *e;
	long n;

	if (BPF_CORE_READ(cgrp, root, hierarchy_id) != hierarchy)
		return 0;
	e = new_event(SCRATCH_CGROUP, kind);
	if (!e)
		return 0;
	e->head.cgroup = BPF_CORE_READ(cgrp, kn, id);
	n = bpf_probe_read_kernel_str(e->text, sizeof(e->text), path);
	if (n < 0)
		n = 0;
	e->head.rest = n;
	send(e, n, true); /* at once: what its name stands for, a container, may be gone soon */
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *cgrp, const char *path)
{
	return tell_of_cgroup(cgrp, path, EVENT_MKDIR);
}

SEC("tp_btf/cgroup_rename")
int BPF_PROG(cgroup_rename, struct cgroup *cgrp, const char *path)
{
	return tell_of_cgroup(cgrp, path, EVENT_RENAME);
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_rmdir, struct cgroup *cgrp, const char *path)
{
	return tell_of_cgroup(cgrp, path, EVENT_RMDIR);
}

/* Every process that has a living thread: for the start, and after events were lost. Of a zombie the exit was told before. */
SEC("iter/task")
int find_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct event_head h = { .kind = EVENT_FOUND };

	if (!t || t->pid != t->tgid || !t->signal->live.counter)
		return 0;
	describe(&h, t);
	bpf_seq_write(ctx->meta->seq, &h, sizeof(h));
	return 0;
}

#endif
