package bpf

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var helpers map[string]func(args []string)

func init() {
	helpers = map[string]func([]string){
		"spin":        helperSpin,
		"bursts":      helperBursts,
		"fifobursts":  helperFIFOBursts,
		"fifo":        helperFIFO,
		"duty":        helperDuty,
		"faults":      helperFaults,
		"threads":     helperThreads,
		"ping":        helperPing,
		"pong":        helperPong,
		"sh":          helperShell,
		"bigexit":     helperBigExit,
		"execthread":  helperExecThread,
		"exec":        helperExec,
		"leaderfirst": helperLeaderFirst,
		"lastslice":   helperLastSlice,
		"named":       helperNamed,
		"mover":       helperMover,
		"holder":      helperHolder,
		"nobody":      helperNobody,
		"asnobody":    helperAsNobody,
		"disk":        helperDisk,
		"holds":       helperHolds,
		"bigparent":   helperBigParent,
	}
}

func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	must(err)
	return d
}

// burn makes no system call: nothing but ticks brings its run time up to date.
func burn(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

// sleep blocks the thread itself.
func sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // shorter when a signal comes
}

// spin DURATION
func helperSpin(args []string) {
	gate()
	burn(duration(args[0]))
}

// bursts DURATION: bursts of 3 ms with 1 ms of sleep between.
func helperBursts(args []string) {
	gate()
	for end := time.Now().Add(duration(args[0])); time.Now().Before(end); sleep(time.Millisecond) {
		burn(3 * time.Millisecond)
	}
}

// fifobursts DURATION: the same at real-time priority.
func helperFIFOBursts(args []string) {
	becomeFIFO()
	helperBursts(args)
}

func becomeFIFO() {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	must(unix.SchedSetAttr(0, &attr, 0))
}

// fifo DURATION: all of a CPU at real-time priority, but for what the kernel keeps back (sched_rt_runtime_us).
func helperFIFO(args []string) {
	becomeFIFO()
	gate()
	burn(duration(args[0]))
}

// threads N DURATION
func helperThreads(args []string) {
	n := atoi(args[0])
	runtime.GOMAXPROCS(n)
	gate()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			runtime.LockOSThread()
			burn(duration(args[1]))
		})
	}
	all.Wait()
}

// ping DURATION: a byte goes to another process and back, again and again.
func helperPing(args []string) {
	var there, back [2]int
	must(unix.Pipe2(there[:], unix.O_CLOEXEC))
	must(unix.Pipe2(back[:], unix.O_CLOEXEC))
	self, err := os.Executable()
	must(err)
	pong := exec.Command(self)
	pong.Env = append(os.Environ(), helperEnv+"=pong", groupsEnv+"=")
	pong.Stdin, pong.Stdout, pong.Stderr = os.NewFile(uintptr(there[0]), "there"), os.NewFile(uintptr(back[1]), "back"), os.Stderr
	gate()
	must(pong.Start())
	var b [1]byte
	for end := time.Now().Add(duration(args[0])); time.Now().Before(end); {
		_, err := unix.Write(there[1], b[:])
		must(err)
		_, err = unix.Read(back[0], b[:])
		must(err)
	}
	unix.Close(there[1])
	must(pong.Wait())
}

func helperPong([]string) {
	var b [1]byte
	for {
		if n, err := unix.Read(0, b[:]); err == unix.EINTR {
			continue
		} else if n <= 0 {
			return
		}
		_, err := unix.Write(1, b[:])
		must(err)
	}
}

// sh SCRIPT
func helperShell(args []string) {
	gate()
	must(syscall.Exec("/bin/sh", []string{"sh", "-c", args[0]}, os.Environ()))
}

// bigexit N: N processes, one after another, that touch 64 MiB and leave the unmapping to their exit.
func helperBigExit(args []string) {
	self, err := os.Executable()
	must(err)
	if args[0] == "0" {
		mem, err := unix.Mmap(-1, 0, 64<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		must(err)
		for i := 0; i < len(mem); i += 4096 {
			mem[i] = 1
		}
		unix.Exit(0)
	}
	must(exec.Command("/bin/true").Run()) // os/exec forks once more the first time
	gate()
	for range atoi(args[0]) {
		child := exec.Command(self, "0")
		child.Env = append(os.Environ(), groupsEnv+"=")
		must(child.Run())
	}
}

// withEnv is the environment with one more variable; without the gate.
func withEnv(kv string) []string { return append(os.Environ(), noGateEnv+"=1", groupsEnv+"=", kv) }

// execthread BEFORE AFTER PROGRAM: a thread that is not the leader burns, execs PROGRAM (this binary by another name) and that
// burns.
func helperExecThread(args []string) {
	gate()
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			must(fmt.Errorf("on the main thread"))
		}
		burn(duration(args[0]))
		must(syscall.Exec(args[2], []string{args[2], args[1]}, lastWins(withEnv(helperEnv+"=spin"))))
	}()
	select {}
}

// exec BEFORE AFTER PROGRAM: the same by the leader.
func helperExec(args []string) {
	gate()
	burn(duration(args[0]))
	must(syscall.Exec(args[2], []string{args[2], args[1]}, lastWins(withEnv(helperEnv+"=spin"))))
}

// lastWins drops what a later entry overrides, as os/exec does.
func lastWins(env []string) []string {
	var out []string
	for i, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if !slices.ContainsFunc(env[i+1:], func(later string) bool { return strings.HasPrefix(later, name+"=") }) {
			out = append(out, kv)
		}
	}
	return out
}

// leaderfirst DURATION: the main thread is gone while three others burn.
func helperLeaderFirst(args []string) {
	runtime.GOMAXPROCS(8)
	gate()
	var left sync.WaitGroup
	for range 3 {
		left.Go(func() {
			runtime.LockOSThread()
			burn(duration(args[0]))
		})
	}
	go func() {
		left.Wait()
		os.Exit(0)
	}()
	_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0) // ends this thread only
}

// named NAME DURATION
func helperNamed(args []string) {
	name := append([]byte(args[0]), 0)
	must(unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0))
	gate()
	burn(duration(args[1]))
}

// mover DURATION DIR...: burns, moves itself into the cgroups, burns as long again.
func helperMover(args []string) {
	gate()
	burn(duration(args[0]))
	for _, dir := range args[1:] {
		must(os.WriteFile(dir+"/cgroup.procs", []byte("0"), 0))
	}
	burn(duration(args[0]))
}

// holder: holds a Collector and prints the ids of all that it holds in the kernel.
func helperHolder([]string) {
	c, err := Open(Options{Follow: true})
	must(err)
	var ids []string
	for _, p := range c.coll.Programs {
		info, err := p.Info()
		must(err)
		id, _ := info.ID()
		ids = append(ids, fmt.Sprint("prog=", id))
	}
	for _, m := range c.coll.Maps {
		info, err := m.Info()
		must(err)
		id, _ := info.ID()
		ids = append(ids, fmt.Sprint("map=", id))
	}
	for _, l := range c.links {
		info, err := l.Info()
		must(err)
		ids = append(ids, fmt.Sprint("link=", info.ID))
	}
	fmt.Println("ready")
	fmt.Println(strings.Join(ids, " "))
	time.Sleep(time.Hour)
}

// nobody: opens a Collector without any privilege and prints what it is told.
func helperNobody([]string) {
	must(syscall.Setgroups(nil))
	must(syscall.Setgid(65534))
	must(syscall.Setuid(65534))
	gate()
	c, err := Open(Options{})
	if err == nil {
		c.Close()
	}
	fmt.Println(describe(err))
}

// asnobody: has a shell of another user burn.
func helperAsNobody([]string) {
	gate()
	child := exec.Command("/bin/sh", "-c", burnScript)
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	must(child.Run())
}

// lastslice CPU DURATION: a thread that sleeps on a CPU of its own burns once and is gone; the process follows later.
func helperLastSlice(args []string) {
	tid := make(chan int)
	go func() {
		runtime.LockOSThread()
		var set unix.CPUSet
		set.Set(atoi(args[0]))
		must(unix.SchedSetaffinity(0, &set))
		name := []byte("a-thread\x00")
		must(unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0))
		d := duration(args[1])
		tid <- unix.Gettid()
		var b [1]byte
		_, err := unix.Read(0, b[:])
		must(err)
		burn(d)
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0) // the runtime would switch some more
	}()
	task := fmt.Sprint("/proc/self/task/", <-tid)
	sleep(10 * time.Millisecond)
	fmt.Println("ready")
	for err := error(nil); err == nil; _, err = os.Stat(task) {
		sleep(5 * time.Millisecond)
	}
}
