package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The loads, and the program itself, are this test binary again: the environment says which.
const (
	lawHelperEnv = "ECO2_BPF_LAW_HELPER" // steady, duty, storm, driver, or lawProgram
	lawGroupsEnv = "ECO2_BPF_LAW_GROUPS" // cgroups to join first
	lawProgram   = "eco2-bpf"
)

func init() {
	name := os.Getenv(lawHelperEnv)
	if name == "" {
		return
	}
	// Not all in this goroutine: while packages are initialised it is locked to its thread.
	code := make(chan int)
	switch name {
	case lawProgram:
		go func() { code <- mainWithExitCode(os.Args[1:]) }()
		os.Exit(<-code)
	case "driver":
		go func() { code <- lawDriver(os.Args[1:]) }()
		os.Exit(<-code)
	}
	for _, dir := range filepath.SplitList(os.Getenv(lawGroupsEnv)) {
		lawMust(os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0))
	}
	d, err := time.ParseDuration(os.Args[1])
	lawMust(err)
	fmt.Println("ready")
	var b [1]byte
	if n, _ := os.Stdin.Read(b[:]); n == 0 {
		os.Exit(1)
	}
	switch name {
	case "steady":
		lawBurn(d)
	case "duty": // 30 ms of each 100 ms
		for end, next := time.Now().Add(d), time.Now(); time.Now().Before(end); time.Sleep(time.Until(next)) {
			lawBurn(30 * time.Millisecond)
			next = next.Add(100 * time.Millisecond)
		}
	case "storm":
		lawStorm(d)
	}
	os.Exit(0)
}

func lawMust(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "helper", os.Getenv(lawHelperEnv)+":", err)
		os.Exit(1)
	}
}

func lawBurn(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

// lawChild is how much CPU time a child of the storm burns before it exits.
const lawChild = 2 * time.Millisecond

// lawForks is how many children the storm has at least.
const lawForks = 1000

// lawStorm forks one child after another, and tells its own CPU time and their number.
func lawStorm(d time.Duration) {
	n := 0
	for end := time.Now().Add(d); n < lawForks || time.Now().Before(end); n++ {
		pid, errno := lawFork()
		if errno != 0 {
			lawMust(errno)
		}
		var st unix.WaitStatus
		_, err := unix.Wait4(pid, &st, 0, nil)
		lawMust(err)
		if !st.Exited() || st.ExitStatus() != 0 {
			lawMust(fmt.Errorf("child %d ended by %#x", n, st))
		}
	}
	fmt.Println(lawOwnTime().Nanoseconds(), n)
}

func lawOwnTime() time.Duration {
	var ts unix.Timespec
	lawMust(unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts))
	return time.Duration(ts.Nano())
}

var lawClock unix.Timespec

// lawFork makes a child without exec. The child has one thread and no Go runtime behind it: it may neither grow its stack nor be
// preempted, so it stays in here and makes nothing but raw system calls until it has burned lawChild.
//
//go:norace
//go:noinline
//go:nosplit
func lawFork() (int, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return int(pid), errno
	}
	for {
		syscall.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_PROCESS_CPUTIME_ID, uintptr(unsafe.Pointer(&lawClock)), 0)
		if lawClock.Sec > 0 || time.Duration(lawClock.Nsec) >= lawChild {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
}
