package bpf

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// Whatever it says, it says why not.
func TestCountsInterrupts(t *testing.T) {
	open(t, Options{}) // or skip
	counts, why := CountsInterrupts()
	t.Log(counts, why)
	if counts != (why == "") {
		t.Errorf("%v, because %q", counts, why)
	}
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	var irqtime *btf.Struct
	if has := spec.TypeByName("irqtime", &irqtime) == nil; !has && (counts || !strings.Contains(why, "without CONFIG_IRQ_TIME_ACCOUNTING")) {
		t.Errorf("%v, %q of a kernel without the option", counts, why)
	}
}

// Each CPU's count of switches is read in the same way as its time in interrupts, and their sum is in /proc/stat.
func TestPerCPU(t *testing.T) {
	open(t, Options{}) // or skip
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	count, err := openPerCPU(spec, "runqueues", "nr_switches")
	if errors.Is(err, btf.ErrNotFound) {
		t.Skip("the kernel's types have no variables: ", err) // seen on Debian's 5.10
	}
	if err != nil {
		var u *UnavailableError
		if b, _ := os.ReadFile("/proc/kallsyms"); errors.As(err, &u) && !strings.Contains(string(b), " runqueues\n") {
			t.Skipf("the kernel does not name its data: %.100v", err)
		}
		t.Fatal(err)
	}
	defer count.Close()
	before := allSwitches(t)
	all, err := count.all()
	if err != nil {
		t.Fatal(err)
	}
	after := allSwitches(t)
	var sum uint64
	for _, n := range all {
		sum += uint64(n)
	}
	t.Logf("%d switches, between %d and %d", sum, before, after)
	if sum < before || sum > after {
		t.Errorf("%d switches are not between %d and %d", sum, before, after)
	}
	if grows, why := judgeInterrupts(count.all); !grows {
		t.Error(why)
	}
	for _, bad := range [][2]string{{"runqueues", "nothing"}, {"nothing", "nr_switches"}, {"runqueues", "nr_running"}} {
		if c, err := openPerCPU(spec, bad[0], bad[1]); err == nil {
			c.Close()
			t.Errorf("%v was found", bad)
		}
	}
}

// allSwitches is how many there were since boot, by the kernel's own sum.
func allSwitches(t *testing.T) uint64 {
	t.Helper()
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(b), "\nctxt ")
	n, err := strconv.ParseUint(strings.Fields(line)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestJudgeInterrupts(t *testing.T) {
	for what, s := range map[string]struct {
		reads [][]uint32 // the last one stays
		err   error
		want  bool
	}{
		"none ever":              {reads: [][]uint32{{0, 0}}},
		"none any more":          {reads: [][]uint32{{5, 6}}},
		"on one CPU":             {reads: [][]uint32{{5, 6}, {5, 7}}, want: true},
		"later":                  {reads: [][]uint32{{5, 6}, {5, 6}, {5, 6}, {9, 6}}, want: true},
		"past what 32 bits hold": {reads: [][]uint32{{1<<32 - 1}, {3}}, want: true},
		"not to be read":         {err: errors.New("no"), reads: [][]uint32{{1}, {2}}},
	} {
		n := 0
		got, why := judgeInterrupts(func() ([]uint32, error) {
			r := s.reads[min(n, len(s.reads)-1)]
			n++
			return r, s.err
		})
		if got != s.want || got != (why == "") {
			t.Errorf("%s: %v %q", what, got, why)
		}
	}
}
