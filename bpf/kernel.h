/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The few kernel types that the programs read, found in the running kernel by name (CO-RE). Fields are listed only when used.
 * Renames to know of: task_struct::start_boottime was real_start_time before 5.5 (commit cf25e24db61c); kernfs_node::id became
 * a plain u64 in 5.5 (commit 67c0496e87d1). Both are older than the oldest kernel supported, 5.10. */
#ifndef ECO2_KERNEL_H
#define ECO2_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
#ifndef bool
#define bool _Bool
#define true 1
#define false 0
#endif
#define TASK_COMM_LEN 16

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_MMAPABLE = 1U << 10,
};
enum {
	BPF_RB_NO_WAKEUP = 1U << 0,
	BPF_RB_FORCE_WAKEUP = 1U << 1,
};
enum {
	BPF_RB_AVAIL_DATA = 0,
};
enum {
	BPF_F_CURRENT_CPU = 0xffffffffULL,
};

struct bpf_perf_event_value {
	u64 counter;
	u64 enabled;
	u64 running;
};

#define PF_EXITING 0x00000004 /* include/linux/sched.h */
#define PF_KTHREAD 0x00200000 /* likewise */
#define MAX_RT_PRIO 100       /* include/linux/sched/prio.h: below it real-time and deadline tasks */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sched_entity {
	u64 sum_exec_runtime; /* ns run so far; see update_curr() */
	u64 prev_sum_exec_runtime;
	u64 nr_migrations; /* counts set_task_cpu() to another CPU */
};

typedef struct {
	u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct kernfs_node {
	u64 id;
};

struct cgroup_root {
	int hierarchy_id; /* 0: the v2 hierarchy; others as in /proc/PID/cgroup */
};

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp; /* the task's cgroup in the v2 hierarchy */
};

typedef struct {
	int counter;
} atomic_t;

/* With CONFIG_TASK_IO_ACCOUNTING. */
struct task_io_accounting {
	u64 read_bytes;            /* fetched for this task by the block layer */
	u64 write_bytes;           /* pages made dirty, and direct writes */
	u64 cancelled_write_bytes; /* dirty pages that it threw away, whoever made them so */
};

struct signal_struct {
	atomic_t live;         /* threads that have not begun to exit */
	unsigned long maxrss;  /* pages */
	unsigned long inblock; /* of threads that were released: read_bytes in units of 512 */
	unsigned long oublock; /* and write_bytes */
};

typedef struct {
	long counter;
} atomic_long_t;

/* include/linux/mm_types_task.h; the same since 4.5 */
enum {
	MM_FILEPAGES,
	MM_ANONPAGES,
	MM_SWAPENTS,
	MM_SHMEMPAGES,
	NR_MM_COUNTERS,
};

struct percpu_counter {
	s64 count; /* without what is still in its CPUs' parts */
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	unsigned long hiwater_rss; /* pages, like the following */
	unsigned long hiwater_vm;
	unsigned long total_vm;
	struct percpu_counter rss_stat[NR_MM_COUNTERS]; /* since 6.2 (commit f1a7941243c1) */
};

struct mm_rss_stat {
	atomic_long_t count[NR_MM_COUNTERS];
};

/* Until 6.1. */
struct mm_struct___6_1 {
	struct mm_rss_stat rss_stat;
};

struct linux_binprm {
	const char *interp; /* the file that is really run: of a script its interpreter */
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct sched_class;

struct task_struct {
	unsigned int flags;
	int prio;
	struct sched_entity se;
	const struct sched_class *sched_class;
	struct mm_struct *mm;
	struct mm_struct *active_mm; /* after mm was given back, still that one */
	int exit_state;              /* not 0: a zombie, or less */
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	unsigned long
		nvcsw; /* times it left a CPU by itself; counted before sched_switch is traced, see __schedule() */
	unsigned long nivcsw; /* and otherwise */
	u64 start_boottime;
	const struct cred *cred;
	char comm[TASK_COMM_LEN];
	struct signal_struct *signal;
	u64 self_exec_id; /* u64 since 5.7 */
	struct css_set *cgroups;
	struct task_io_accounting ioac;
};

/* Context of a task iterator. */
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

enum cgroup_subsys_id {
	cpu_cgrp_id = 1, /* the running kernel's value is taken by CO-RE */
};

#pragma clang attribute pop

/* Context of a BPF_PROG_TYPE_RAW_TRACEPOINT program (uapi/linux/bpf.h). */
struct bpf_raw_tracepoint_args {
	u64 args[2];
};

#endif
