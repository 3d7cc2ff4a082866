package bpf

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// disk HOW FILE BYTES THREADS: each of so many threads, the main one among them, moves so many bytes to or from a file of its own, or one after another. Then the
// process waits at a second gate, to be looked at.
func helperDisk(args []string) {
	move := map[string]func(fd, size int){
		"direct": writeAll, "read": readAll,
		"buffered": func(fd, size int) { writeAll(fd, size); must(unix.Fsync(fd)) },
		"cold":     func(fd, size int) { must(unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED)); readAll(fd, size) },
		"undone":   func(fd, size int) { writeAll(fd, size); must(unix.Ftruncate(fd, 0)) },
		"brief":    writeAll, // by threads that end at once
	}[args[0]]
	flags := unix.O_RDWR | unix.O_CREAT
	if args[0] == "direct" || args[0] == "read" || args[0] == "brief" {
		flags |= unix.O_DIRECT
	}
	size, n := atoi(args[2]), atoi(args[3])
	gate()
	var moved sync.WaitGroup
	for i := range n {
		moved.Add(1)
		body := func() {
			fd, err := unix.Open(fmt.Sprint(args[1], ".", i), flags, 0o600)
			must(err)
			move(fd, size)
			unix.Close(fd)
		}
		if i == 0 && args[0] != "brief" { // the main thread
			body()
			moved.Done()
			continue
		}
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the function
			body()
			moved.Done()
			if args[0] != "brief" {
				select {}
			}
		}()
		if args[0] == "brief" && i%8 == 7 {
			moved.Wait()
		}
	}
	moved.Wait()
	gate()
	unix.Exit(0)
}

const diskChunk = 1 << 20

// aligned is memory as O_DIRECT wants it.
func aligned(size int) []byte {
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	must(err)
	return mem
}

func writeAll(fd, size int) {
	moveAll(size, func(b []byte, at int64) (int, error) { return unix.Pwrite(fd, b, at) })
}
func readAll(fd, size int) {
	moveAll(size, func(b []byte, at int64) (int, error) { return unix.Pread(fd, b, at) })
}

func moveAll(size int, call func([]byte, int64) (int, error)) {
	mem := aligned(min(size, diskChunk))
	defer func() { must(unix.Munmap(mem)) }()
	for at := 0; at < size; {
		n, err := call(mem[:min(len(mem), size-at)], int64(at))
		must(err)
		if n == 0 {
			must(fmt.Errorf("ends at %d of %d bytes", at, size))
		}
		at += n
	}
}

// holds BYTES: touches so much memory, half of it shared, gives it back at a second gate, and ends at a third.
func helperHolds(args []string) {
	gate()
	private, shared := touch(atoi(args[0])/2, unix.MAP_PRIVATE), touch(atoi(args[0])/2, unix.MAP_SHARED)
	gate()
	must(unix.Munmap(private))
	must(unix.Munmap(shared))
	gate()
	unix.Exit(0)
}

func touch(size, flags int) []byte {
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_ANONYMOUS)
	must(err)
	for i := 0; i < len(mem); i += 4096 {
		mem[i] = 1
	}
	return mem
}

// bigparent BYTES COMMAND...: a process of that size runs a command, and prints its pid and the most memory that rusage says.
func helperBigParent(args []string) {
	mem := touch(atoi(args[0]), unix.MAP_PRIVATE)
	gate()
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Stdout = os.Stdout
	must(cmd.Run())
	fmt.Println(cmd.Process.Pid, maxRSS(cmd.ProcessState))
	gate()
	time.Sleep(time.Duration(mem[0])) // it lives till here
}

// rusage is what the kernel counted of a process that has ended, and of those that it waited for.
func rusage(st *os.ProcessState) *syscall.Rusage { return st.SysUsage().(*syscall.Rusage) }

// maxRSS is the most memory of any of them, in bytes.
func maxRSS(st *os.ProcessState) int64 { return rusage(st).Maxrss * 1024 }
