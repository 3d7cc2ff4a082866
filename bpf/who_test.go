package bpf

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func inode(t testing.TB, dir string) uint64 {
	t.Helper()
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// A process that moves to another v1 cgroup has its time split between the two as the kernel splits it.
func TestMoveBetweenV1Cgroups(t *testing.T) {
	cpu, acct := cgroupMount(t, "cpu"), cgroupMount(t, "cpuacct")
	if cpu == "" || acct == "" {
		t.Skip("no cgroup v1 cpu and cpuacct: not mounted (the v2 test covers this machine)")
	}
	from, to := []string{makeGroup(t, cpu)}, []string{makeGroup(t, cpu)}
	if acct != cpu {
		from, to = append(from, makeGroup(t, acct)), append(to, makeGroup(t, acct))
	}
	moves(t, Options{CgroupV1: true}, from, to)
}

func TestMoveBetweenV2Cgroups(t *testing.T) {
	mount := cgroupMount(t, "")
	if mount == "" {
		t.Skip("need cgroup-v2: not mounted")
	}
	moves(t, Options{}, []string{makeGroup(t, mount)}, []string{makeGroup(t, mount)})
}

// moves: the first directory's inode is the id, the last one counts the time.
func moves(t *testing.T, o Options, from, to []string) {
	c := open(t, o)
	l := start(t, joined(from...), "mover", append([]string{"500ms"}, to...)...)
	before := groupTime(t, from[len(from)-1])
	p := newTap(t, c)
	rows := filter(p.until(200*time.Millisecond, l.release(t)), process(l.pid()))
	for what, dirs := range map[string][]string{"before the move": from, "after the move": to} {
		truth := groupTime(t, dirs[len(dirs)-1])
		if what == "before the move" {
			truth -= before
		}
		p.agree(what, total(rows, withCgroup(inode(t, dirs[0]))), truth, 0.03)
	}
	for _, u := range rows {
		if u.Cgroup != inode(t, from[0]) && u.Cgroup != inode(t, to[0]) {
			t.Errorf("neither of the cgroups: %+v", u)
		}
	}
}

func TestUIDAndParent(t *testing.T) {
	c := open(t, Options{Follow: true})
	p := newTap(t, c)
	l := p.followed(1, nil, "asnobody", "50ms")
	p.until(20*time.Millisecond, l.release(t))
	p.t.Logf("%d rows", len(p.rows))
	child := 0
	for _, u := range p.rows {
		switch {
		case u.Root != 1 || u.Start == 0:
		case int(u.TGID) == l.pid():
			if u.UID != 0 || int(u.PPID) != os.Getpid() {
				t.Errorf("the parent: %+v", u)
			}
		case strings.HasPrefix(u.Comm, "sh") && u.Execs == newest(filter(p.rows, process(int(u.TGID)))).Execs:
			child++
			if u.UID != 65534 || int(u.PPID) != l.pid() {
				t.Errorf("the child: %+v", u)
			}
		}
	}
	if child == 0 {
		t.Error("no row of the child")
	}
}

// A kernel thread is told from a process.
func TestKernelThreads(t *testing.T) {
	c := open(t, Options{})
	p := newTap(t, c)
	time.Sleep(500 * time.Millisecond)
	p.drain()
	kernel := 0
	for _, u := range p.rows {
		if u.Kernel {
			kernel++
			if u.PPID != 2 && u.TGID != 2 {
				t.Errorf("no child of kthreadd: %+v", u)
			}
		}
		if int(u.TGID) == os.Getpid() && u.Kernel {
			t.Error("this process is no kernel thread")
		}
	}
	if kernel == 0 {
		t.Error("no kernel thread ran in half a second")
	}
}
