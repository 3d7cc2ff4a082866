//go:build amd64 || arm64

package privilege

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// seccompFence refuses the system calls that no loop needs and that a user id or a kept capability would allow: to write to files by
// name, to execute, to reach the network, to load programs, to look into other processes. Refused calls fail with EPERM.
func seccompFence(n Needs) (detail string, notes []string, err error) {
	f := fence(uint32(os.Getpid()), n.Signals)
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	// All threads at once. SPEC_ALLOW: before 5.16 a filter otherwise slows the process down by mitigations that are for code that
	// others wrote.
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	tid, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	switch {
	case errno != 0:
		return "", nil, errno
	case tid != 0:
		return "", nil, fmt.Errorf("thread %d has a filter of its own", tid)
	}
	return "", nil, nil
}

const (
	allow = unix.SECCOMP_RET_ALLOW
	deny  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	lacks = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS) // callers know to use the older call
)

// newNamespaces are the flags of clone that make any: in a user namespace of its own, a process has all capabilities.
const newNamespaces = unix.CLONE_NEWCGROUP | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID |
	unix.CLONE_NEWUSER | unix.CLONE_NEWUTS

// writing are the flags of open that lead to more than reading.
const writing = unix.O_ACCMODE | unix.O_CREAT | unix.O_TRUNC

// bpfAllowed works on what was loaded before.
var bpfAllowed = []uint32{
	unix.BPF_MAP_LOOKUP_ELEM, unix.BPF_MAP_UPDATE_ELEM, unix.BPF_MAP_DELETE_ELEM, unix.BPF_MAP_GET_NEXT_KEY,
	unix.BPF_MAP_LOOKUP_AND_DELETE_ELEM, unix.BPF_MAP_LOOKUP_BATCH, unix.BPF_MAP_LOOKUP_AND_DELETE_BATCH,
	unix.BPF_MAP_UPDATE_BATCH, unix.BPF_MAP_DELETE_BATCH, unix.BPF_PROG_TEST_RUN, unix.BPF_OBJ_GET_INFO_BY_FD, unix.BPF_ITER_CREATE,
}

// fence is the filter. Most calls pass it without being run, from 5.11 on: the kernel finds out which ones it allows always.
func fence(pid uint32, signals bool) filter {
	f := filter{load(4), ifEqual(arch, 1), ret(lacks), load(0), {Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jf: 1, K: otherABI}, ret(lacks)}
	for _, nr := range refused {
		f = f.on(nr, ret(deny))
	}
	for _, nr := range []uint32{unix.SYS_CLONE3, unix.SYS_OPENAT2} { // their flags are out of a filter's sight
		f = f.on(nr, ret(lacks))
	}
	f = f.on(unix.SYS_OPENAT, noneOfBits(2, writing)...)
	f = f.on(unix.SYS_OPEN_BY_HANDLE_AT, noneOfBits(2, writing)...)
	f = f.on(unix.SYS_CLONE, noneOfBits(0, newNamespaces)...)
	f = f.on(unix.SYS_BPF, oneOf(0, bpfAllowed...)...)
	f = f.on(unix.SYS_SOCKET, oneOf(0, unix.AF_UNIX)...)
	f = f.on(unix.SYS_IOCTL, noneOf(1, unix.TIOCSTI, tioclinux)...)
	f = f.on(unix.SYS_TGKILL, oneOf(0, pid)...) // the runtime preempts its threads by it
	f = f.on(unix.SYS_PRLIMIT64, oneOf(0, 0, pid)...)
	if !signals {
		self := filter{arg(0), ifEqual(pid, 0), ret(allow)}
		f = f.on(unix.SYS_KILL, append(self, oneOf(1, 0)...)...)
		f = f.on(unix.SYS_PIDFD_SEND_SIGNAL, ret(deny))
	}
	return append(f.legacy(), ret(allow))
}

// tioclinux is TIOCLINUX, which pastes into a console as TIOCSTI types into a terminal.
const tioclinux = 0x541c

// otherABI marks the numbers of amd64's x32; arm64 has none so high.
const otherABI = 0x40000000

// filter is a classic BPF program over struct seccomp_data: number, architecture, instruction pointer, arguments.
type filter []unix.SockFilter

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// arg loads the low half of an argument; the kernel ignores the high half of those that are looked at.
func arg(i uint32) unix.SockFilter { return load(16 + 8*i) }

func ret(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }

// ifEqual skips skipThen instructions when equal, and one otherwise.
func ifEqual(k uint32, skipThen uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: skipThen, Jf: 1 - skipThen, K: k}
}

// on runs body, which ends with ret, for one system call.
func (f filter) on(nr uint32, body ...unix.SockFilter) filter {
	is := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: uint8(len(body)), K: nr}
	return append(append(f, is), body...)
}

func noneOfBits(i, mask uint32) filter {
	return filter{arg(i), {Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jf: 1, K: mask}, ret(deny), ret(allow)}
}

func oneOf(i uint32, values ...uint32) filter  { return choose(i, allow, deny, values) }
func noneOf(i uint32, values ...uint32) filter { return choose(i, deny, allow, values) }

func choose(i, then, otherwise uint32, values []uint32) filter {
	f := filter{arg(i)}
	for _, v := range values {
		f = append(f, ifEqual(v, 0), ret(then))
	}
	return append(f, ret(otherwise))
}
