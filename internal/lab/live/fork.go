package live

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// StormChild is how much CPU time a child of a storm burns before it exits.
const StormChild = 2 * time.Millisecond

// storm forks one child after another for some time, at least so many, and returns their number.
func storm(d time.Duration, least int) (int, error) {
	n := 0
	for end := time.Now().Add(d); n < least || time.Now().Before(end); n++ {
		pid, errno := forkChild()
		if errno != 0 {
			return n, errno
		}
		var st unix.WaitStatus
		if _, err := unix.Wait4(pid, &st, 0, nil); err != nil {
			return n, err
		}
		if !st.Exited() || st.ExitStatus() != 0 {
			return n, fmt.Errorf("child %d ended by %#x", n, st)
		}
	}
	return n, nil
}

var childClock unix.Timespec

// forkChild makes a child without exec. The child has one thread and no Go runtime behind it: it may neither grow its stack nor be
// preempted, so it stays in here and makes nothing but raw system calls until it has burned StormChild.
//
//go:norace
//go:noinline
//go:nosplit
func forkChild() (int, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return int(pid), errno
	}
	for {
		syscall.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_PROCESS_CPUTIME_ID, uintptr(unsafe.Pointer(&childClock)), 0)
		if childClock.Sec > 0 || time.Duration(childClock.Nsec) >= StormChild {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
}
