package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The loads are this test binary again, with the name of a helper in the environment. eco2-bpf run hands it on to its command.
const e2eHelperEnv = "ECO2_BPF_E2E_HELPER"

func init() {
	name := os.Getenv(e2eHelperEnv)
	if name == "" {
		return
	}
	runtime.LockOSThread() // the leader of the thread group: its name is the process's
	map[string]func([]string){
		"spin": e2eSpin, "shell": e2eShell, "named": e2eNamed, "names": e2eNames, "sigcount": e2eSigCount, "hold": e2eHold,
	}[name](os.Args[1:])
	os.Exit(0)
}

// e2eHelper is the environment of a helper.
func e2eHelper(name string) []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, e2eHelperEnv+"=") })
	return append(env, e2eHelperEnv+"="+name)
}

func e2eMust(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "helper:", err)
		os.Exit(1)
	}
}

func e2eBurn(s string) {
	d, err := time.ParseDuration(s)
	e2eMust(err)
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

// e2eSpin DURATION FILE: burns, then writes its pid and the microseconds of CPU time that it used.
func e2eSpin(args []string) {
	e2eBurn(args[0])
	e2eWriteUse(args[1])
}

// e2eWriteUse writes pid and CPU time of this process and of the children that it waited for, all at once.
func e2eWriteUse(file string) {
	var us int64
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var ru unix.Rusage
		e2eMust(unix.Getrusage(who, &ru))
		us += (ru.Utime.Nano() + ru.Stime.Nano()) / 1000
	}
	e2eMust(os.WriteFile(file+".new", fmt.Appendf(nil, "%d %d", os.Getpid(), us), 0o644))
	e2eMust(os.Rename(file+".new", file))
}

// e2eShell SCRIPT FILE: one shell, then the file as by spin. No os/exec: it forks once more the first time.
func e2eShell(args []string) {
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", args[0]}, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	e2eMust(err)
	e2eWait(pid)
	e2eWriteUse(args[1])
}

func e2eWait(pid int) {
	err := error(syscall.EINTR) // Go's own signals interrupt it
	for err == syscall.EINTR {
		_, err = syscall.Wait4(pid, nil, 0, nil)
	}
	e2eMust(err)
}

// e2eNamed NAME DURATION [CGROUP]: joins a cgroup, takes a name and burns.
func e2eNamed(args []string) {
	if len(args) > 2 {
		e2eMust(os.WriteFile(filepath.Join(args[2], "cgroup.procs"), []byte("0"), 0))
	}
	name := append([]byte(args[0]), 0)
	e2eMust(unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0))
	e2eBurn(args[1])
}

// e2eNames DIR NAME...: a process of each name by prctl, and one more by a program file of that name in DIR.
func e2eNames(args []string) {
	self, err := os.Executable()
	e2eMust(err)
	var pids []int
	for i, name := range args[1:] {
		file := filepath.Join(args[0], name)
		e2eMust(os.Symlink(self, file))
		for _, cmd := range [][]string{{"named", self, name, "400ms"}, {"spin", file, "400ms", "/dev/null/" + strconv.Itoa(i)}} {
			pid, err := syscall.ForkExec(cmd[1], cmd[1:], &syscall.ProcAttr{Env: e2eHelper(cmd[0]), Files: []uintptr{0, 1}})
			e2eMust(err)
			pids = append(pids, pid)
		}
	}
	for _, pid := range pids {
		e2eWait(pid)
	}
}

// e2eSigCount DURATION: prints how many SIGINT came.
func e2eSigCount(args []string) {
	got := make(chan os.Signal, 16)
	signal.Notify(got, unix.SIGINT)
	fmt.Println("ready")
	d, err := time.ParseDuration(args[0])
	e2eMust(err)
	<-got
	time.Sleep(d)
	fmt.Println("interrupts:", 1+len(got))
}
