package live

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/peers"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// Reader looks at a machine as programs do that poll /proc. It is not for use by several goroutines.
type Reader struct {
	Procfs    string
	Hierarchy string // of the cgroups that are told: a controller of v1; empty: v2
	Counters  []string
	// Files is how many were read so far, and Spent the CPU time that it took.
	Files int64
	Spent time.Duration

	cgroups map[peers.Key]string // of those that were there at the last look
	buf     []byte
}

// NewReader reads /proc, and counters of a tree.
func NewReader(counters ...string) (*Reader, error) {
	c, err := hierarchies()
	if err != nil {
		return nil, err
	}
	r := &Reader{Procfs: "/proc", Counters: counters}
	if c.V1 {
		r.Hierarchy = "cpu"
	}
	return r, nil
}

// Look takes a sample in the order that they have in common: processes, then /proc/stat, then the counters. A process that has ended meanwhile
// is left out, as is one that only waits to be waited for. at is when the counters had been read.
func (r *Reader) Look() (s seen.Sample, at time.Time, err error) {
	runtime.LockOSThread() // its CPU time is what a look costs
	defer runtime.UnlockOSThread()
	began := threadTime()
	defer func() { r.Spent += threadTime() - began }()
	if r.buf == nil {
		r.buf = make([]byte, 64<<10)
	}
	if s.Processes, err = r.processes(); err != nil {
		return s, at, err
	}
	text, err := r.read(filepath.Join(r.Procfs, "stat"))
	if err != nil {
		return s, at, err
	}
	if s.CPUs, err = parseCPUTimes(text); err != nil {
		return s, at, err
	}
	for _, file := range r.Counters {
		text, err := r.read(file)
		if err != nil {
			return s, at, err
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
		if err != nil {
			return s, at, fmt.Errorf("read %s: %w", file, err)
		}
		s.Zones = append(s.Zones, n)
	}
	at, s.At = time.Now(), host.Monotonic()
	return s, at, nil
}

// read reads the first 64 KiB of a file; what it returns is good until the next read.
func (r *Reader) read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r.Files++
	n, err := io.ReadFull(f, r.buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return r.buf[:n], nil
}

func (r *Reader) processes() ([]seen.Process, error) {
	dir, err := os.Open(r.Procfs)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []seen.Process
	groups := make(map[peers.Key]string, len(r.cgroups))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		p, ok, err := r.process(pid)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		key := peers.Key{PID: pid, Start: p.Start}
		if p.Cgroup, ok = r.cgroups[key]; !ok { // a process may move; none of this laboratory's does, after its start
			if p.Cgroup, err = r.cgroup(pid); err != nil {
				return nil, err
			}
		}
		groups[key] = p.Cgroup
		all = append(all, p)
	}
	r.cgroups = groups
	return all, nil
}

// process reads /proc/PID/stat. It is not ok if the process has ended.
func (r *Reader) process(pid int) (p seen.Process, ok bool, err error) {
	text, err := r.read(filepath.Join(r.Procfs, strconv.Itoa(pid), "stat"))
	if ended(err) {
		return p, false, nil
	}
	if err != nil {
		return p, false, err
	}
	p, state, err := parseProcess(text)
	return p, err == nil && state != 'Z' && state != 'X', err
}

// cgroup reads a process's cgroup; empty if it has ended.
func (r *Reader) cgroup(pid int) (string, error) {
	text, err := r.read(filepath.Join(r.Procfs, strconv.Itoa(pid), "cgroup"))
	if ended(err) {
		return "", nil
	}
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		for c := range strings.SplitSeq(f[1], ",") {
			if c == r.Hierarchy {
				return f[2], nil
			}
		}
	}
	return "", err
}

// ended tells the errors of a file of a process that is no more: it is gone before it is opened, or before it is read.
func ended(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) }

// Fields of /proc/PID/stat behind the command name, from 0: see proc_pid_stat(5).
const (
	statState   = 0
	statPPID    = 1
	statFlags   = 6
	statUser    = 11
	statSystem  = 12
	statThreads = 17
	statStart   = 19
	statRSS     = 21
	statFields  = 22
)

// kernelThread is PF_KTHREAD of include/linux/sched.h.
const kernelThread = 0x00200000

// parseProcess takes /proc/PID/stat. The command name may hold anything, blanks and brackets, too.
func parseProcess(text []byte) (p seen.Process, state byte, err error) {
	pid, rest, _ := bytes.Cut(text, []byte(" ("))
	i := bytes.LastIndexByte(rest, ')')
	if i < 0 {
		return p, 0, errors.New("read /proc/PID/stat: no command name")
	}
	f := bytes.Fields(rest[i+1:])
	if len(f) < statFields {
		return p, 0, fmt.Errorf("read /proc/PID/stat: %d fields behind the command name", len(f))
	}
	number := func(text []byte) int64 {
		n, e := strconv.ParseInt(string(text), 10, 64)
		if e != nil && err == nil {
			err = fmt.Errorf("read /proc/PID/stat: %w", e)
		}
		return n
	}
	p = seen.Process{PID: int(number(pid)), PPID: int(number(f[statPPID])), Start: number(f[statStart]), Comm: string(rest[:i]),
		Kernel: number(f[statFlags])&kernelThread != 0, User: number(f[statUser]), Sys: number(f[statSystem]),
		Threads: int(number(f[statThreads])), Resident: number(f[statRSS]) * int64(os.Getpagesize())}
	return p, f[statState][0], err
}

// parseCPUTimes takes the lines of each CPU in /proc/stat.
func parseCPUTimes(text []byte) ([]seen.CPUTimes, error) {
	var all []seen.CPUTimes
	for line := range bytes.Lines(text) {
		rest, ok := bytes.CutPrefix(line, []byte("cpu"))
		if !ok {
			break // they come first
		}
		f := bytes.Fields(rest)
		if len(rest) == 0 || rest[0] == ' ' || len(f) < 9 {
			continue
		}
		var n [9]int64
		for i := range n {
			v, err := strconv.ParseInt(string(f[i]), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("read /proc/stat: %w", err)
			}
			n[i] = v
		}
		for len(all) <= int(n[0]) && n[0] < 1<<16 { // those that are offline have no line
			all = append(all, seen.CPUTimes{})
		}
		if n[0] >= 0 && n[0] < int64(len(all)) {
			all[n[0]] = seen.CPUTimes{User: n[1], Nice: n[2], System: n[3], Idle: n[4], IOWait: n[5], IRQ: n[6], SoftIRQ: n[7], Steal: n[8]}
		}
	}
	if all == nil {
		return nil, errors.New("read /proc/stat: no line of a CPU")
	}
	return all, nil
}
