package bpf

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// describe is one line of what a caller can learn from an error.
func describe(err error) string {
	var u *UnavailableError
	if !errors.As(err, &u) {
		return fmt.Sprintf("another error: %v", err)
	}
	return fmt.Sprintf("unavailable: %q next: %q", u.Error(), u.Next)
}

func TestNoBTF(t *testing.T) {
	_, err := Open(Options{BTF: "/nonexistent"})
	if got := describe(err); !strings.HasPrefix(got, "unavailable") || !strings.HasSuffix(got, fmt.Sprintf("%q", nextBTF)) {
		t.Error(got)
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cause is lost: %v", err)
	}
}

func TestNoPrivilege(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("need root: to become nobody")
	}
	if err := checkBTF(""); err != nil {
		t.Skip("need btf: ", err)
	}
	l := start(t, nil, "nobody").release(t)
	got := l.line(t)
	t.Log(got)
	if !strings.HasPrefix(got, "unavailable") || !strings.HasSuffix(got, fmt.Sprintf("%q", nextRoot)) {
		t.Error("not told to run as root")
	}
}

// TestKilled: a process that dies without Close leaves nothing in the kernel.
func TestKilled(t *testing.T) {
	open(t, Options{}) // or skip
	l := start(t, nil, "holder")
	ids := strings.Fields(l.line(t))
	t.Log(ids)
	if len(ids) < 10 {
		t.Fatal("too few ids")
	}
	for _, id := range ids {
		if err := find(id); err != nil {
			t.Errorf("%s of the living process: %v", id, err)
		}
	}
	if err := l.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-l.done
	for _, id := range ids {
		eventually(t, id+" of the killed process", func() error {
			if err := find(id); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("is still there (%w)", err)
			}
			return nil
		})
	}
}

// find looks for a "prog=ID", "map=ID" or "link=ID".
func find(what string) error {
	kind, n, _ := strings.Cut(what, "=")
	var id uint32
	if _, err := fmt.Sscan(n, &id); err != nil {
		return err
	}
	switch kind {
	case "prog":
		p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
		if err == nil {
			p.Close()
		}
		return err
	case "map":
		m, err := ebpf.NewMapFromID(ebpf.MapID(id))
		if err == nil {
			m.Close()
		}
		return err
	}
	l, err := link.NewFromID(link.ID(id))
	if err == nil {
		l.Close()
	}
	return err
}
