package identity

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// processKey reads the start as proc(5) has it.
func processKey(t *testing.T, pid int) ProcessKey {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Skip("no /proc here: ", err)
	}
	f := strings.Fields(string(b[strings.LastIndex(string(b), ") ")+2:]))
	ticks, err := strconv.Atoi(f[19]) // the third field is f[0]
	if err != nil {
		t.Fatal(err)
	}
	return ProcessKey{TGID: uint32(pid), Start: time.Duration(ticks)*10*time.Millisecond + 3*time.Millisecond} // in the middle of a tick
}

func TestReadProgramOfThisProcess(t *testing.T) {
	k := processKey(t, os.Getpid())
	want, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	exe, args, size := ReadProgram("/proc", k)
	line := strings.Join(os.Args, "\x00") + "\x00"
	if exe != want || args != line[:min(len(line), 256)] || size != min(len(line), 257) {
		t.Errorf("%q %q %d", exe, args, size)
	}
	for _, off := range []time.Duration{-time.Second, time.Second, -k.Start} {
		other := ProcessKey{TGID: k.TGID, Start: k.Start + off}
		if exe, args, size := ReadProgram("/proc", other); exe != "" || args != "" || size != 0 {
			t.Errorf("of another that had its pid: %q %q %d", exe, args, size)
		}
	}
	if exe, args, size := ReadProgram(t.TempDir(), k); exe != "" || args != "" || size != 0 {
		t.Errorf("of none: %q %q %d", exe, args, size)
	}
}

func TestReadProgramOfAChild(t *testing.T) {
	for _, tt := range []struct{ n, size int }{{100, 9 + 100 + 1}, {256 - 10, 256}, {256 - 9, 257}, {5000, 257}} {
		path, err := exec.LookPath("tail")
		if err != nil {
			t.Skip("no tail here: ", err)
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path)
		cmd.Args = []string{"tail", "-f", "-", strings.Repeat("x", tt.n-1)} // "tail\0-f\0-\0": 10 bytes
		if cmd.Stdin, err = os.Open(os.DevNull); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var exe, args string
		var size int
		for range 1000 { // just after exec it has no command line yet
			if exe, args, size = ReadProgram("/proc", processKey(t, cmd.Process.Pid)); args != "" {
				break
			}
			time.Sleep(time.Millisecond)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		line := "tail\x00-f\x00-\x00" + strings.Repeat("x", tt.n-1) + "\x00"
		if exe != path || args != line[:min(len(line), 256)] || size != tt.size {
			t.Errorf("%d bytes: %q %q, %d", tt.n, exe, args, size)
		}
	}
}

// A tree of ordinary files: what was removed is still called by its name, and what cannot be read is empty.
func TestReadProgramOfATree(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "42")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/opt/a b (deleted)", filepath.Join(dir, "exe")); err != nil {
		t.Fatal(err)
	}
	stat := "42 (a) R 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1234 0 0\n"
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o644); err != nil {
		t.Fatal(err)
	}
	k := ProcessKey{TGID: 42, Start: 12340 * time.Millisecond}
	if exe, args, size := ReadProgram(root, k); exe != "/opt/a b" || args != "" || size != 0 {
		t.Errorf("%q %q %d", exe, args, size)
	}
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte("42 (a) R 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if exe, _, _ := ReadProgram(root, k); exe != "" {
		t.Errorf("though nobody knows whose it is: %q", exe)
	}
}

func TestStartOf(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 "
	for stat, want := range map[string]time.Duration{
		"7 (sh)" + rest + "1234 22 23\n":             12340 * time.Millisecond,
		"7 (a) S 1 2 3)" + rest + "1234 22\n":        12340 * time.Millisecond,
		"7 (a\n) R 1\nb)" + rest + "5 0\n":           50 * time.Millisecond,
		"7 ()" + rest + "0":                          0,
		"7 (sh)" + rest + "-1 0":                     -1,
		"7 (sh)" + rest + "1x 0":                     -1,
		"7 (sh)" + rest:                              -1,
		"7 (sh)" + rest + "9999999999999999999999 0": -1,
		"7 (sh)" + rest + "1099511627776 0":          -1, // 2^40
		"7 sh" + rest + "1234":                       -1,
		"":                                           -1,
		")":                                          -1,
	} {
		got, ok := startOf([]byte(stat))
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %v %v, want %v", stat, got, ok, want)
		}
	}
}

func FuzzStartOf(f *testing.F) {
	f.Add("sh", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19", uint32(1234))
	f.Add("a) R 1\n", "", uint32(0))
	f.Fuzz(func(t *testing.T, name, junk string, ticks uint32) {
		if got, ok := startOf([]byte(junk)); ok && (got < 0 || got%tick != 0) {
			t.Fatalf("%q gives %v", junk, got)
		}
		stat := "7 (" + name + ") S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 " + strconv.FormatUint(uint64(ticks), 10) + " 22\n"
		if got, ok := startOf([]byte(stat)); !ok || got != time.Duration(ticks)*10*time.Millisecond {
			t.Fatalf("%q gives %v", stat, got)
		}
	})
}
