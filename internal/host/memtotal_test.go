package host

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMemTotal(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       24689572 kB\nMemFree: 1 kB\n": 24689572 << 10,
		"MemFree: 1 kB\nMemTotal: 5 kB\n":              5 << 10,
		"MemFree: 1 kB\n":                              0,
		"MemTotal: -5 kB\n":                            0,
		"MemTotal: 99999999999999999 kB\n":             0,
		"MemTotal: x\n":                                0,
		"":                                             0,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "meminfo"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := MemTotal(dir); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	if _, err := MemTotal(t.TempDir()); err == nil {
		t.Error("no meminfo, no error")
	}
}

// The kernel tells the same in a system call.
func TestMemTotalOfThisMachine(t *testing.T) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	want := int64(info.Totalram) * int64(info.Unit)
	if got, err := MemTotal("/proc"); err != nil || got != want {
		t.Errorf("%d, %v; sysinfo says %d", got, err, want)
	}
}
