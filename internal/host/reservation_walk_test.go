package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A link leads nowhere: out of the hierarchy, or in circles.
func TestReservationsFollowNoLink(t *testing.T) {
	r := plant(t, false, "cpu\n", []group{v2("a", "100", "max 100000", handsOn), v2("a/b", "100", "max 100000")})
	mount := mountOf(t, r)
	outside := write(t, t.TempDir(), v2("", "100", "max 100000").files)
	for from, to := range map[string]string{"c": outside, "a/up": "..", "a/b/cpu.idle.link": "cpu.idle"} {
		if err := os.Symlink(to, filepath.Join(mount, from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(mount, "a/b/cpu.max")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "cpu.max"), filepath.Join(mount, "a/b/cpu.max")); err != nil {
		t.Fatal(err)
	}
	// Where the file system does not tell what a name is, it is opened to know.
	for _, path := range []string{"c", "a/b/cpu.weight"} {
		r.nodes = []reserving{{path: "."}, {path: path}}
		if err := r.visit(1); err == nil || !vanished(err) {
			t.Errorf("%s was opened: %v", path, err)
		}
	}
	got, err := byPath(t, r, mount)
	if got["a/b"] != ReservedAll || len(got) != 1 || err == nil || !strings.Contains(err.Error(), "cpu.max: too many levels") {
		t.Errorf("%v, %v", got, err)
	}
}

func TestReservationsAreBounded(t *testing.T) {
	for _, isV1 := range []bool{false, true} {
		// One makes many below its own; the others' come first, as they are nearer to the root.
		one := func(path string, leaf bool) group {
			switch {
			case isV1 && leaf:
				return v1(path, "1024", "-1", "1\n")
			case isV1:
				return v1(path, "1024", "-1", "")
			case leaf:
				return v2(path, "100", "max 100000")
			}
			return v2(path, "100", "max 100000", handsOn)
		}
		groups := []group{one("a", false), one("z", false), one("z/y", true)}
		for i := range 30 {
			groups = append(groups, one(fmt.Sprint("a/", i), false), one(fmt.Sprint("a/", i, "/b"), true))
		}
		r := plant(t, isV1, "cpu\n", groups)
		// Of 20 it is 30 or 31 that are left, by the order of directories.
		for most, left := range map[int]string{1: "2 were", 3: "31 were", 20: "3", 34: "30 were", 63: "1 were", 64: ""} {
			r.maxCgroups, r.walked = most, false
			got, err := byPath(t, r, mountOf(t, r))
			if want := fmt.Sprintf("over %d, %s", most, left); (err != nil) != (left != "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("v1 %v: error %v, want %q", isV1, err, want)
			}
			if most == 1 {
				continue // nobody was looked at
			}
			if got["z/y"]+got["z"] != ReservedAll/2 {
				t.Errorf("v1 %v, at most %d: who makes many takes from others: %v", isV1, most, got)
			}
			if lost := ReservedAll - sumOf(got); lost > 100 {
				t.Errorf("v1 %v, at most %d: %d parts went nowhere: %v", isV1, most, lost, got)
			}
		}
	}
}

func sumOf(parts map[string]int64) (sum int64) {
	for _, p := range parts {
		sum += p
	}
	return sum
}

func TestReservationsAreLookedAtWhenDue(t *testing.T) {
	r := plant(t, false, "cpu\n", []group{v2("a", "100", "max 100000"), v2("b", "100", "max 100000")})
	mount := mountOf(t, r)
	now, took := time.Duration(0), time.Duration(0)
	r.now = func() time.Duration {
		now += took
		return now
	}
	weight := 100
	set := func() { // always another
		weight += 100
		write(t, mount, map[string]string{"a/cpu.weight": fmt.Sprint(weight, "\n")})
	}
	looked := func(want bool, when string) {
		t.Helper()
		got, err := byPath(t, r, mount)
		if err != nil {
			t.Fatal(err)
		}
		if is := got["a"] == int64(ReservedAll*weight/(weight+100)); is != want {
			t.Errorf("%s: looked %v, want %v", when, is, want)
		}
	}
	looked(true, "at first")
	set()
	now += 9999 * time.Millisecond
	looked(false, "before 10 s")
	now += time.Millisecond
	looked(true, "after 10 s")

	set()
	r.Changed()
	now += 999 * time.Millisecond
	looked(false, "changed, before 1 s")
	now += time.Millisecond
	looked(true, "changed, after 1 s")
	set()
	now += time.Second
	looked(false, "the change was looked at")

	now, took = now+10*time.Second, 300*time.Millisecond // by the clock, a look takes so long
	looked(true, "slowly")
	took = 0
	set()
	r.Changed()
	now += 29 * time.Second
	looked(false, "a look may take a hundredth of the time")
	now += time.Second
	looked(true, "slowly, in its time")

	// One that comes while others are looked at is not forgotten.
	calls := 0
	now += 30 * time.Second
	r.now = func() time.Duration {
		if calls++; calls == 2 { // at the end of the look
			r.Changed()
		}
		return now
	}
	looked(true, "once more")
	set()
	now += time.Second
	looked(true, "changed during the look")
}

func TestReservationsAllocateNothing(t *testing.T) {
	r := plant(t, false, "cpu\n", []group{v2("a", "100", "max 100000"), v2("b", "100", "max 100000")})
	into, err := r.Read(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.now = func() time.Duration { return r.at }
	if n := testing.AllocsPerRun(100, func() { into, err = r.Read(into) }); n != 0 || err != nil || len(into) != 2 {
		t.Errorf("%v allocations, %v, %v", n, into, err)
	}
}

func TestOpenReservations(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		c    Cgroups
		cpus int
		want string
	}{
		{Cgroups{}, 1, "no hierarchy is mounted"},
		{Cgroups{Mount: dir + "/none"}, 1, "no such file"},
		{Cgroups{Mount: dir}, 0, "a machine of 0 CPUs"},
		{Cgroups{Mount: dir}, -1, "a machine of -1 CPUs"},
		{Cgroups{Mount: dir}, 1 << 40, "CPUs"},
	} {
		if r, err := OpenReservations(tt.c, tt.cpus); r != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v, %d: %v, %v", tt.c, tt.cpus, r, err)
		}
	}
}

func FuzzReservations(f *testing.F) {
	f.Add([]byte("max 100000\n"))
	f.Add([]byte("150000 100000"))
	f.Add([]byte("9223372036854775807 1000000"))
	for _, length := range []byte{0, 5, 19, 24, 25} {
		f.Add(append([]byte("12345678abcdefgh"), length, 0, 4, 'a', 'b', 'c', 0, 0))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if quota, period, ok := parseMax(text); ok {
			if quota < -1 || period < 1 || period > maxPeriod {
				t.Fatalf("quota %d, period %d", quota, period)
			}
			for _, cpus := range []int{1, 3, 1 << 20} {
				if limit := limitOf(max(quota, 0), period, cpus); limit > fineAll {
					t.Fatalf("limit %d on %d CPUs", limit, cpus)
				}
			}
		}
		for rest, before := text, len(text)+1; len(rest) > 0; before = len(rest) {
			var name []byte
			if name, rest = nextDirectory(rest); len(rest) >= before || strings.ContainsRune(string(name), 0) {
				t.Fatalf("%d bytes left of %d, name %q", len(rest), before, name)
			}
		}
	})
}
