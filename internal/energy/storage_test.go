package energy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// disks is a machine's PROCFS/diskstats and SYSFS/block.
type disks struct {
	t    *testing.T
	root string
}

func newDisks(t *testing.T) *disks { return &disks{t, t.TempDir()} }

func (d *disks) add(name, files string) {
	for _, f := range strings.Fields(files) {
		path, text, _ := strings.Cut(f, "=")
		path = filepath.Join(d.root, "block", name, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text+"\n"), 0o644)); err != nil {
			d.t.Fatal(err)
		}
	}
}

func diskLine(name string, sectorsWritten, busyMillis int) string {
	return fmt.Sprintf(" 254       0 %s 704499 105538 23205458 1113669 149674 145909 %d 166306 0 %d 1291018 116258 13 17981280 10159 17383 883\n", name, sectorsWritten, busyMillis)
}

func (d *disks) stat(lines ...string) {
	if err := os.WriteFile(filepath.Join(d.root, "diskstats"), []byte(strings.Join(lines, "")), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func watts(w units.Watts) Bounds { return Bounds{w, w / 2, w * 2} }

// One watt idle and four more when busy; of a rotational disk ten times that.
func testModel(d Disk) DiskModel {
	if d.Rotational {
		return DiskModel{Idle: watts(10), Busy: watts(40)}
	}
	return DiskModel{Idle: watts(1), Busy: watts(4)}
}

func (d *disks) open() Source {
	d.t.Helper()
	s, _, err := OpenStorage(d.root, d.root, testModel)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { s.Close() })
	return s
}

func TestStorageByBusyTime(t *testing.T) {
	d := newDisks(t)
	d.add("sda", "device/x=1 size=2000 queue/rotational=0")
	d.add("loop0", "size=2000")
	d.add("nvme0c0n1", "device/x=1 size=2000 hidden=1")
	d.add("sr0", "device/x=1 size=0")
	d.stat(diskLine("loop0", 0, 0), diskLine("sda", 1000, 70), diskLine("sda1", 0, 0), diskLine("nvme0c0n1", 0, 0), diskLine("sr0", 0, 0))
	s, out := d.open(), make([]Sample, 1)
	at := 100 * time.Second
	read := func(dt time.Duration, look bool, want, idle units.Microjoules, written uint64, lines ...string) {
		t.Helper()
		d.stat(lines...)
		at += dt
		s.Read(Edge{Time: at, Look: look}, out)
		if o := out[0]; o.Energy != want || o.Idle != idle || o.Written != written || o.Low != want/2 || o.High != 2*want || o.IdleLow != idle/2 || o.Mark != "" {
			t.Errorf("at %v: %+v, want %v, %v idle", at, o, want, idle)
		}
	}
	sec := time.Second
	read(sec, true, 0, 0, 0, diskLine("sda", 1000, 70)) // the baseline
	read(sec, true, 3e6, 1e6, 0, diskLine("sda", 1000, 570), diskLine("loop0", 9, 900), diskLine("sda1", 9, 900), diskLine("nvme0c0n1", 9, 900), diskLine("sr0", 9, 900))
	read(sec, false, 3e6, 1e6, 0, diskLine("sda", 1008, 1570)) // nobody looked: it waits
	read(sec, true, 3e6+6e6, 3e6, 8*512, diskLine("sda", 1008, 1570))
	read(sec, true, 9e6+5e6, 4e6, 8*512, diskLine("sda", 1008, 9570)) // more than there was time for
	read(sec, true, 14e6+1e6, 5e6, 8*512, diskLine("sda", 3, 7))      // its count wrapped: idle at least
	d.add("sdb", "device/x=1 size=2000 queue/rotational=1")
	read(sec, true, 15e6+1e6, 6e6, 8*512, diskLine("sda", 3, 7), diskLine("sdb", 3, 7000)) // another one: its own baseline
	read(sec, true, 16e6+1e6+30e6, 17e6, 8*512, diskLine("sda", 3, 7), diskLine("sdb", 3, 7500))
	read(sec, true, 47e6+1e6, 18e6, 8*512, diskLine("sda", 3, 7)) // it is gone
	read(sec, true, 48e6+1e6, 19e6, 8*512, diskLine("sda", 3, 7), diskLine("sdb", 9, 90))
}

func TestStorageMarks(t *testing.T) {
	d := newDisks(t)
	d.add("sda", "device/x=1 size=2000")
	d.stat(diskLine("sda", 0, 0))
	s, out := d.open(), make([]Sample, 1)
	s.Read(Edge{Time: 5 * time.Second, Look: true}, out)
	s.Read(Edge{Time: time.Second, Look: true}, out)
	if !strings.Contains(out[0].Mark, "time went backwards") || out[0].Energy != 0 {
		t.Errorf("%+v", out[0])
	}
	d.stat(diskLine("sda", 0, 0), " 8 0 sdb 1 2 3 x\n")
	s.Read(Edge{Time: 2 * time.Second, Look: true}, out)
	if !strings.Contains(out[0].Mark, "makes no sense") || out[0].Energy != 1e6 {
		t.Errorf("%+v", out[0])
	}
	s.Read(Edge{Time: 3 * time.Second, Look: true}, nil)
}

func TestNoDisksIsAbsent(t *testing.T) {
	d := newDisks(t)
	if _, _, err := OpenStorage(d.root, d.root, testModel); !errors.Is(err, ErrAbsent) {
		t.Errorf("without diskstats: %v", err)
	}
	d.stat(diskLine("loop0", 0, 0))
	if s, _, err := OpenStorage(d.root, d.root, testModel); !errors.Is(err, ErrAbsent) || s != nil {
		t.Errorf("without disks: %v", err)
	}
}

// The kernel tells how busy a disk was in another place too, and there in a file of each disk's own.
func TestStorageAgainstSysfs(t *testing.T) {
	s, disks, err := OpenStorage("/proc", "/sys", func(Disk) DiskModel { return DiskModel{Busy: watts(1000)} }) // 1 J for each millisecond
	if err != nil {
		t.Skipf("this machine has no disks to read: %v", err)
	}
	defer s.Close()
	busy := func() (sum int64) {
		for _, d := range disks {
			text, err := os.ReadFile("/sys/block/" + d.Name + "/stat")
			if f := strings.Fields(string(text)); err == nil && len(f) > 9 {
				var ms int64
				_, _ = fmt.Sscan(f[9], &ms)
				sum += ms
			}
		}
		return sum
	}
	out := make([]Sample, 1)
	before := busy()
	s.Read(Edge{Time: 0, Look: true}, out)
	after := busy()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := f.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	end := busy()
	s.Read(Edge{Time: time.Hour, Look: true}, out) // so long that no share of it is cut
	last := busy()
	if got := int64(out[0].Energy / 1e6); got < end-after || got > last-before {
		t.Errorf("busy for %d ms, by sysfs %d to %d", got, end-after, last-before)
	}
	t.Logf("%d disk(s), busy for %d ms", len(disks), int64(out[0].Energy/1e6))
}

func FuzzDiskstats(f *testing.F) {
	f.Add([]byte(diskLine("sda", 5, 6)))
	f.Add([]byte("1 2 a 4 5 6 7 8 9 18446744073709551615 11 12 99999999999999999999\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		_, st, ok := parseDiskstat(line)
		if st.busy < 0 || ok && st.written%sectorBytes != 0 {
			t.Fatalf("%q: %+v", line, st)
		}
	})
}
