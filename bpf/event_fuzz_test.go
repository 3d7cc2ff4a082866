package bpf

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"
	"unsafe"
)

// rawEvent lays an event out by hand.
func rawEvent(kind uint32, args, rest uint16, text string) []byte {
	var b []byte
	le := binary.LittleEndian
	b = le.AppendUint32(b, kind)
	b = le.AppendUint32(b, 42)
	b = le.AppendUint64(b, 1234567890)
	b = le.AppendUint64(b, 99)
	b = le.AppendUint64(b, 7)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint32(b, 1000)
	b = append(b, "a-name\x00leftover\x00"...)
	b = le.AppendUint16(b, args)
	b = le.AppendUint16(b, rest)
	b = le.AppendUint32(b, 4711)
	return append(b, text...)
}

func within(raw, part []byte) bool {
	if len(part) == 0 {
		return true
	}
	at := uintptr(unsafe.Pointer(&part[0])) - uintptr(unsafe.Pointer(&raw[0]))
	return at < uintptr(len(raw)) && at+uintptr(len(part)) <= uintptr(len(raw))
}

func FuzzEvent(f *testing.F) {
	for kind := range uint32(10) {
		f.Add(rawEvent(kind, 0, 0, ""))
		f.Add(rawEvent(kind, 5, 8, "a\x00b\x00c/bin/sh\x00"))
		f.Add(rawEvent(kind, 0, 1024, string(bytes.Repeat([]byte("/"), 1024))))
		f.Add(rawEvent(kind, 65535, 65535, "short"))
	}
	f.Add(rawEvent(1<<16, 0, 0, ""))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		was := bytes.Clone(raw)
		var e Event
		err := e.decode(raw)
		if !bytes.Equal(was, raw) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			return
		}
		le := binary.LittleEndian
		if !slices.Contains([]EventKind{Fork, Exec, Exit, Found, CgroupMade, CgroupMoved, CgroupGone, Renamed}, e.Kind) || uint32(e.Kind) != le.Uint32(raw) {
			t.Fatalf("kind %d", e.Kind)
		}
		if e.TGID != le.Uint32(raw[4:]) || e.Start != time.Duration(le.Uint64(raw[8:])) || e.Cgroup != le.Uint64(raw[16:]) ||
			e.ParentStart != time.Duration(le.Uint64(raw[24:])) || e.PPID != le.Uint32(raw[32:]) || e.UID != le.Uint32(raw[36:]) ||
			e.ArgsTotal != int(le.Uint32(raw[60:])) {
			t.Fatalf("%+v is not in % x", e, raw)
		}
		for _, part := range [][]byte{e.Comm, e.Exe, e.Args, e.Path} {
			if !within(raw, part) {
				t.Fatalf("%q is not within % x", part, raw)
			}
		}
		args, rest := int(le.Uint16(raw[56:])), int(le.Uint16(raw[58:]))
		if len(e.Comm) > 16 || len(e.Exe) > rest || len(e.Args) > args || len(e.Path) > min(rest, 1022) {
			t.Fatalf("too long: %+v", e)
		}
		for _, name := range [][]byte{e.Comm, e.Exe, e.Path} {
			if bytes.IndexByte(name, 0) >= 0 {
				t.Fatalf("a NUL in %q", name)
			}
		}
	})
}

// Each kind has what is its own, and no more.
func TestEventsDecoded(t *testing.T) {
	const text = "a\x00b\x00c/bin/sh\x00"
	for kind := Fork; kind <= Renamed; kind++ {
		var e Event
		if err := e.decode(rawEvent(uint32(kind), 5, 8, text)); err != nil {
			t.Fatal(err)
		}
		exe, args, path := "", "", ""
		switch {
		case kind == Exec:
			exe, args = "/bin/sh", "a\x00b\x00c"
		case kind != Renamed && kind >= CgroupMade:
			path = "/bin/sh"
		}
		if string(e.Exe) != exe || string(e.Args) != args || string(e.Path) != path || string(e.Comm) != "a-name" ||
			e.TGID != 42 || e.Start != 1234567890 || e.Cgroup != 99 || e.ParentStart != 7 || e.PPID != 1 || e.UID != 1000 || e.ArgsTotal != 4711 {
			t.Errorf("%+v", e)
		}
	}
	for name, raw := range map[string][]byte{
		"empty": nil, "kind 0": rawEvent(0, 0, 0, ""), "one of our own kinds": rawEvent(uint32(AllFound), 0, 0, ""),
		"short head": rawEvent(1, 0, 0, "")[:63], "short text": rawEvent(2, 5, 8, text[:12]),
	} {
		var e Event
		if e.decode(raw) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
