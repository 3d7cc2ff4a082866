// Package privilege gives away what the loop does not need once the programs are attached: capabilities, the means to get them back,
// and, by Landlock and seccomp where the kernel has them, what a user id alone still allows (the files of root, for root).
//
// All of it holds for every thread of the process and for what it starts afterwards, and none of it can be undone.
package privilege

import (
	"fmt"
	"os"
	"strings"

	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// Cap is a capability.
type Cap = cap.Value

// The capabilities that a loop may need.
const (
	BPF           = cap.BPF             // the bpf system call, on what is loaded
	DACReadSearch = cap.DAC_READ_SEARCH // open a cgroup by its id; read the counters of root as another user
	Kill          = cap.KILL            // signal a command that runs as another user
)

// Needs says what the process does after the drop.
type Needs struct {
	Caps    []Cap    // kept where they are held
	Read    []string // directories and files to read from; those that do not exist yet stay closed, those that do go by any name
	Sockets []string // directories and files whose unix sockets are connected to
	Ioctl   []string // device files to open and to control, such as /dev/tty
	Signals bool     // signal other processes; without it they can only be asked whether they exist
}

// Held is what a process holds.
type Held struct {
	UID        int
	Caps       []string // permitted, so in use or one system call away, to any thread; CAP_BPF
	Regainable []string // by executing a program: the bounding and ambient sets, unless NoNewPrivs
	NoNewPrivs bool
	Fences     []string // "landlock (ABI 6)", "seccomp"
	Notes      []string // what could not be dropped or fenced, and why
}

// String is one line without the notes.
func (h Held) String() string {
	caps, fences := "no capability", "no fence"
	if len(h.Caps) > 0 {
		caps = strings.Join(h.Caps, " ")
	}
	if len(h.Fences) > 0 {
		fences = strings.Join(h.Fences, " and ")
	}
	again := "nothing to regain"
	switch {
	case !h.NoNewPrivs:
		again = "no no_new_privs"
	case len(h.Regainable) > 0:
		again = fmt.Sprintf("no_new_privs, %d left in the bounding set", len(h.Regainable))
	}
	return fmt.Sprintf("uid %d, %s; %s; %s", h.UID, caps, again, fences)
}

// fenced is the fences that Drop put up: the kernel does not tell of Landlock.
var fenced []string

// Drop gives away all but what is needed. What it cannot give away for want of a privilege, and a fence that the kernel lacks, is a
// note; with an error some thread may hold more than it should, and Held tells what is known of it. It is for one goroutine, once;
// no other may be starting a process.
func Drop(n Needs) (Held, error) {
	notes, err := dropCaps(n.Caps)
	if err == nil {
		fenced = nil
		for _, f := range []struct {
			name string
			up   func(Needs) (detail string, notes []string, err error)
		}{{"landlock", landlockFence}, {"seccomp", seccompFence}} {
			detail, more, err := f.up(n)
			notes = append(notes, more...)
			if err != nil {
				notes = append(notes, fmt.Sprintf("no %s fence: %v", f.name, err))
				continue
			}
			fenced = append(fenced, strings.TrimSpace(f.name+" "+detail))
		}
	}
	h, threads, readErr := current()
	h.Notes = notes
	if err != nil {
		return h, err
	}
	if readErr != nil {
		h.Notes = append(h.Notes, fmt.Sprintf("not checked by thread: %v", readErr))
		return h, nil
	}
	return h, check(threads, n.Caps)
}

// Current tells what is held now.
func Current() (Held, error) {
	h, _, err := current()
	return h, err
}

func current() (Held, []thread, error) {
	h := Held{UID: os.Getuid(), Fences: fenced}
	threads, err := readThreads("/proc/self/task")
	if err != nil {
		return h, nil, fmt.Errorf("read what is held: %w", err)
	}
	var permitted, regain uint64
	h.NoNewPrivs = true
	for _, t := range threads {
		permitted |= t.permitted
		regain |= t.bounding | t.ambient
		h.NoNewPrivs = h.NoNewPrivs && t.noNewPrivs
	}
	h.Caps, h.Regainable = names(permitted), names(regain)
	return h, threads, nil
}
