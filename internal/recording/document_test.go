package recording

import (
	"bytes"
	"encoding/hex"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
)

// documented is the example of docs/recording.md, from its hexadecimal digits.
func documented(t *testing.T) (file []byte) {
	t.Helper()
	text, err := os.ReadFile("../../docs/recording.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```hex\n")
	block, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("there is no example")
	}
	for line := range strings.Lines(block) {
		digits, _, _ := strings.Cut(line, "#")
		b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Fatal(err)
		}
		file = append(file, b...)
	}
	return file
}

// exampleEdges are what the page says of its example.
func exampleEdges() [2]engine.Edge {
	start := time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC).Local()
	base := engine.Edge{
		At: time.Hour, Boot: time.Hour, Wall: start, BusyGood: true,
		Busy: []time.Duration{5 * time.Second}, Samples: []energy.Sample{{At: time.Hour}},
	}
	next := engine.Edge{
		At: time.Hour + time.Second, Boot: time.Hour + time.Second, Wall: start.Add(time.Second), Took: 50 * time.Microsecond, BusyGood: true,
		Busy:    []time.Duration{5500 * time.Millisecond},
		Samples: []energy.Sample{{At: time.Hour + time.Second, Energy: 3_000_000, Low: 3_000_000, High: 3_000_000, Span: time.Second}},
		Usages: []bpf.Usage{{
			Account: bpf.Account{TGID: 42, Start: 9, Cgroup: 7}, Time: 500 * time.Millisecond, Switches: 8, Comm: "sh", UID: 1000, PPID: 1,
		}},
	}
	return [2]engine.Edge{base, next}
}

// The worked example of the page is a recording, and says what the page says.
func TestDocumentedExample(t *testing.T) {
	r, err := Open(bytes.NewReader(documented(t)))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range exampleEdges() {
		got := engine.Edge{}
		if err := r.Next(&got); err != nil {
			t.Fatal(i, err, r.Cut())
		}
		if len(got.Overflow) != 1 || got.Overflow[0] != 0 {
			t.Errorf("edge %d: overflow %v", i, got.Overflow)
		}
		got.Overflow = nil
		if got.Usages = append([]bpf.Usage(nil), got.Usages...); !reflect.DeepEqual(got, want) {
			t.Errorf("edge %d:\ngot  %+v\nwant %+v", i, got, want)
		}
	}
	if err := r.Next(&engine.Edge{}); err == nil || r.Cut() != "" {
		t.Error(err, r.Cut())
	}
	k := identity.ProcessKey{TGID: 42, Start: 9}
	want := identity.Told{Key: k, Comm: "sh", Exe: "/bin/sh", Args: "sh\x00-i", ArgsSize: 5}
	r.processes.Lineage(k, func(got identity.Told) bool {
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		return true
	})
	if p := r.cgroups.Path(7); p != "/a.slice" {
		t.Errorf("cgroup 7 is %s", p)
	}
}

// A recorder of today writes the records of the page, byte for byte.
func TestDocumentedRecords(t *testing.T) {
	file := documented(t)
	r, err := Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := newWriter(&out, r.Header())
	if err != nil {
		t.Fatal(err)
	}
	edges := exampleEdges()
	told := identity.Told{Key: identity.ProcessKey{TGID: 42, Start: 9}, Comm: "sh", Exe: "/bin/sh", Args: "sh\x00-i", ArgsSize: 5}
	for _, err := range []error{w.edge(&edges[0]), w.cgroup(7, "/a.slice"), w.process(&told), w.edge(&edges[1]), w.s.finish(2)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, want := recordsOf(t, out.Bytes()), recordsOf(t, file); !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}
