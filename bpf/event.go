package bpf

import (
	"bytes"
	"errors"
	"fmt"
	"time"
	"unsafe"
)

// EventKind says what happened.
type EventKind uint32

// Kinds of an Event.
const (
	Fork         = EventKind(eco2EventKindEVENT_FORK)
	Exec         = EventKind(eco2EventKindEVENT_EXEC)
	Exit         = EventKind(eco2EventKindEVENT_EXIT)  // of a process's last thread; its last slice may be drained later
	Found        = EventKind(eco2EventKindEVENT_FOUND) // a process that exists: of a look at all of them, see Collector.Tasks
	CgroupMade   = EventKind(eco2EventKindEVENT_MKDIR)
	CgroupMoved  = EventKind(eco2EventKindEVENT_RENAME) // its path, and those below it, are others now
	CgroupGone   = EventKind(eco2EventKindEVENT_RMDIR)
	Renamed      = EventKind(eco2EventKindEVENT_NAME) // by itself, or by exec
	AllFound     = EventKind(1 << 16)                 // ends a look at all processes: none exists that was not Found, or told of since it began
	LookingAgain = EventKind(2 << 16)                 // begins one
)

// Event is something rare that the programs saw. Its byte slices are good until the handler returns.
type Event struct {
	Kind        EventKind
	TGID        uint32
	Start       time.Duration // since boot, as Account.Start
	PPID        uint32        // parent's TGID
	ParentStart time.Duration
	UID         uint32
	Cgroup      uint64 // kernfs id: of the process, or the one that was made, moved or removed
	Comm        []byte
	Exe         []byte // Exec: the file that is run, as it was named; of a script its interpreter
	Args        []byte // Exec: the first 256 bytes of the command line; NULs are between arguments
	ArgsTotal   int    // Exec: its whole length
	Path        []byte // of a cgroup, from its hierarchy's root; nil: longer than the kernel shows (1,023 bytes)
}

const eventHeadSize = int(unsafe.Sizeof(eco2EventHead{}))

// pathMax is the longest path that can be told from one that the kernel cut.
const pathMax = 1022

var errShortEvent = errors.New("shorter than it says")

// decode reads an event as the programs wrote it.
func (e *Event) decode(raw []byte) error {
	if len(raw) < eventHeadSize {
		return fmt.Errorf("event of %d bytes: %w", len(raw), errShortEvent)
	}
	var h eco2EventHead
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&h)), eventHeadSize), raw) // raw need not be aligned
	text := raw[eventHeadSize:]
	args, rest := int(h.Args), int(h.Rest)
	if args+rest > len(text) {
		return fmt.Errorf("event of %d bytes with a text of %d and %d: %w", len(raw), args, rest, errShortEvent)
	}
	comm := raw[unsafe.Offsetof(h.Comm):][:len(h.Comm)]
	*e = Event{
		Kind: EventKind(h.Kind), TGID: h.Tgid, Start: time.Duration(h.Start), PPID: h.Ppid, ParentStart: time.Duration(h.Pstart),
		UID: h.Uid, Cgroup: h.Cgroup, Comm: untilNUL(comm), ArgsTotal: int(h.ArgsTotal),
	}
	switch e.Kind {
	case Exec:
		e.Args, e.Exe = text[:args], untilNUL(text[args:args+rest])
	case CgroupMade, CgroupMoved, CgroupGone:
		if e.Path = untilNUL(text[args : args+rest]); len(e.Path) > pathMax || len(e.Path) == 0 {
			e.Path = nil
		}
	case Fork, Exit, Found, Renamed:
	default:
		return fmt.Errorf("event of an unknown kind %d", h.Kind)
	}
	return nil
}

func untilNUL(b []byte) []byte {
	b, _, _ = bytes.Cut(b, []byte{0})
	return b
}
