package energy

import (
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The parser must agree with strconv on exactly the texts that the kernel can write, and refuse the rest.
func FuzzParseCounter(f *testing.F) {
	for _, s := range []string{"", "\n", "0\n", "12\n", "12", "-1\n", "9223372036854775807\n", "9223372036854775808\n", "1e3\n", "1\n2\n", "\x00\n"} {
		f.Add([]byte(s))
	}
	kernel := regexp.MustCompile(`\A[0-9]+\n\z`)
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseCounter(b)
		want, wantErr := strconv.ParseInt(strings.TrimSuffix(string(b), "\n"), 10, 64)
		if ok := kernel.Match(b) && wantErr == nil; ok != (err == nil) || (ok && v != want) {
			t.Errorf("%q: %d %v, want %d %v", b, v, err, want, wantErr)
		}
	})
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"package-0\n", "package-1-die-2", "dram", "psys-1", "package-0-die-0-die-0", "intel-rapl:0:1", "a:b", ":0", "\x1b[31m"} {
		f.Add(s)
	}
	safe := regexp.MustCompile(`\A[a-z0-9-]{1,64}\z`)
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseName(s); err == nil {
			if !safe.MatchString(n.text) || strings.TrimSuffix(s, "\n") != n.text {
				t.Errorf("%q passes as %q", s, n.text)
			}
			if n.kind == kindPackage { // one zone has one spelling
				want := "package-" + strconv.Itoa(n.socket)
				if n.die >= 0 {
					want += "-die-" + strconv.Itoa(n.die)
				}
				if want != n.text {
					t.Errorf("%q is taken for %q", n.text, want)
				}
			}
		}
		if control, index, ok := parseZoneID(s); ok {
			for _, i := range index {
				control += ":" + strconv.Itoa(i)
			}
			if control != s {
				t.Errorf("%q is taken for %q", s, control)
			}
		}
	})
}

// Whatever the counter and the clock say: no panic, the sum never goes down, no window has more than the limits, a mark is one line.
func FuzzMeter(f *testing.F) {
	f.Add(int64(pkgRange), []byte("0123456789abcdef0123456789abcdef"))
	f.Add(int64(0), []byte("\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, rng int64, data []byte) {
		m := newMeter(kindPackage, max(rng, 0))
		for ; len(data) >= 16; data = data[16:] {
			v := int64(binary.LittleEndian.Uint64(data) >> 1)
			at := time.Duration(int64(binary.LittleEndian.Uint64(data[8:])) >> 8) // up to two years, both signs
			before, moved := m.total, m.last.moved
			if m.doubt { // then a step may be counted from the value before
				moved = min(moved, m.before.moved)
			}
			mark := m.add(v, moment{at: at})
			if m.total < before || strings.Contains(mark, "\n") {
				t.Fatalf("%d to %d, mark %q", before, m.total, mark)
			}
			if span := max(at-moved, 0) + 2*slack; m.total-before > m.step.Over(span) {
				t.Fatalf("%d uJ in %v", m.total-before, span)
			}
		}
	})
}
