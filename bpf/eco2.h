/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the kernel side and user space share. bpf2go makes the Go types from these. */
#ifndef ECO2_H
#define ECO2_H

#include "kernel.h"

enum slot_flags {
	SLOT_KTHREAD = 1, /* a kernel thread */
};

/* One account's use of one CPU in one epoch (the time between two drains). The first 64 bytes are all that a switch touches
 * once the slot is filled, so they are one cache line; the array's stride keeps them so. */
struct slot {
	u32 id;   /* the process's tgid, or the thread's pid where threads are told apart; 0: free */
	u32 next; /* index + 1 of the slot that this CPU filled before; 0: none */
	u64 start; /* start_boottime, ns: of the group's leader, or of the thread; 0: unknown (the leader was already released) */
	u64 css; /* css_set pointer: changes when the task moves to another cgroup; an opaque number to user space */
	u64 mm;  /* address space when comm was read: there is another one after exec, none in exit */
	u64 ns;  /* CPU time */
	u64 switches; /* switch-outs */
	u64 beside;   /* of ns: while the other CPU of the core was busy */
	u64 counted;  /* events */

	char comm[TASK_COMM_LEN]; /* leader's or thread's; ends at its first NUL, what follows may be an older name's */
	enum slot_flags flags;
	u32 root;  /* followed: which selected process this one descends from; 0: none */
	u32 execs; /* self_exec_id when comm was read: the higher one has the newer name */
	u32 tgid;
	u64 leader_start; /* leader's start_boottime; 0: unknown */
	u64 cgroup;       /* kernfs id of the cgroup */
	u32 uid;          /* real uid in the initial user namespace */
	u32 ppid;         /* tgid of the leader's parent */
	u64 pages;        /* that the process held when comm was read, in its page tables; see holding.pages */
};

/* A real-time task as it last left a CPU. */
struct left {
	u64 task; /* its address */
	u64 ran;  /* its sum_exec_runtime */
	u64 prev; /* its prev_sum_exec_runtime: changes if it runs as a fair task meanwhile */
	u32 migrations;
	u32 pid;
};

enum { LEFT_SLOTS = 4 };

/* What runs on a CPU, since when; and what that CPU could not put into a slot. */
struct cpu_state {
	u64 task;  /* address of the task switched in; 0: no switch seen yet */
	u64 start; /* its sum_exec_runtime then */
	u32 pid;   /* its pid: 0 is the idle task */
	u32 tgid;
	u32 epoch;   /* its lowest bit chooses the slots that are written; only user space changes it */
	u32 sibling; /* index + 1 of the other CPU of the core; 0: none. Written by user space, before attach */
	u64 missed;  /* slices whose beginning or end was not traced: dropped, never charged to another task */

	u32 head[2];    /* by epoch: index + 1 of the slot filled last */
	u32 spilled[2]; /* by epoch: accounts in the spill map */
	u64 overflow_ns[2];
	u64 overflow_switches[2];
	u64 left_before; /* how often the task on record had left a CPU when it came */
	u64 overflow_beside[2];
	u64 overflow_counted[2];
	struct left left[LEFT_SLOTS]; /* by pid */

	/* Only with the knobs smt and count_events, see beside.h and counter.h. */
	u64 busy;         /* until when, or since: see busy_time(). What the sibling reads */
	u64 since;        /* when this CPU looked last */
	u64 sibling_busy; /* how long the sibling had been busy then */
	u64 part;         /* of the time between the last two looks: while it was busy, in units of 1 / WHOLE */
	u64 counter;      /* at the last look; NOT_READ: it could not be */
	u64 events;       /* between the last two looks */
	u64 uncounted;    /* slices whose events could not be read */
	u64 reserved;     /* five cache lines in all: no CPU writes another one's */
};

struct spill_key {
	u64 start;
	u64 css;
	u32 id;
	u32 cpu;
};

/* A process that is selected or descends from a selected one. */
struct follow_state {
	u32 root;
	u32 exited;        /* drains so far + 1 when its last thread exited; 0: alive */
	u32 children_only; /* not selected itself: only what it forks is */
	u32 reserved;
};

enum event_kind {
	EVENT_FORK = 1,
	EVENT_EXEC,
	EVENT_EXIT,   /* of a process's last thread; its last slice comes later */
	EVENT_FOUND,  /* by the iterator: it exists */
	EVENT_MKDIR,  /* of a cgroup; or its new path */
	EVENT_RENAME, /* likewise: paths below the old one changed too */
	EVENT_RMDIR,
	EVENT_NAME, /* a process's main thread takes another name: by exec, or itself */
};

enum {
	ARGS_MAX = 256,        /* bytes of a command line that are kept */
	EXE_MAX = 512,         /* bytes of an executable's name, with its NUL */
	EVENT_TEXT_MAX = 1024, /* a cgroup's path may fill it: it is all that the kernel shows, TRACE_CGROUP_PATH_LEN */
};

/* One rare event. */
struct event_head {
	enum event_kind kind;
	u32 tgid;
	u64 start;  /* leader's start_boottime */
	u64 cgroup; /* kernfs id */
	u64 pstart; /* parent's leader's start_boottime */
	u32 ppid;   /* parent's tgid */
	u32 uid;
	char comm[TASK_COMM_LEN];
	u16 args;       /* bytes of text that are the command line's start; NULs are between arguments */
	u16 rest;       /* bytes of text behind it: the executable's name, or the cgroup's path; with a NUL */
	u32 args_total; /* length of the whole command line */
};

/* In the ring its text is cut to what is used. */
struct event {
	struct event_head head;
	char text[EVENT_TEXT_MAX];
};

/* What a kernel counts. */
enum counted {
	COUNTED_IO = 1,    /* bytes that each thread moves to and from block devices: CONFIG_TASK_IO_ACCOUNTING */
	COUNTED_PAGES = 2, /* pages that each address space holds, in a form that is known here */
};

enum holding_flags {
	HOLDING_KTHREAD = 1, /* a kernel thread */
	HOLDING_ENDING = 2,  /* a thread about to tell its end, or just behind that */
	HOLDING_ENDED = 4,   /* the process's end, told by its last thread */
};

/* What a process holds, as one of its threads tells it. */
struct holding {
	u64 start;  /* leader's start_boottime */
	u64 cgroup; /* kernfs id */
	/* Pages in its page tables: file, anonymous and shared memory. Until 6.1 each thread keeps up to 64 pages to itself. Since 6.2
	 * (commit f1a7941243c1) each CPU keeps fewer than max(32, 2 * CPUs) of each of the three kinds to itself. At the end: the most that
	 * there ever were. */
	u64 pages;
	u64 read; /* bytes that this thread has moved, ever; see struct task_io_accounting */
	u64 written;
	u64 cancelled; /* written, but thrown away before a device saw them */
	u64 left_read; /* the same of threads of the process that were released before */
	u64 left_written;
	u64 exited; /* when the process ended, ns since boot; 0: it lives */
	u32 tgid;
	u32 uid;
	u32 ppid;
	u32 root;
	u32 execs;
	enum holding_flags flags;
	char comm[TASK_COMM_LEN];
};

#endif
