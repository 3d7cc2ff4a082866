package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// screen is a terminal that keeps all that was written to it.
type screen struct {
	master *os.File
	mu     sync.Mutex
	text   strings.Builder
	done   chan struct{} // closed when the last user has left
}

// openScreen starts a command as the leader of a terminal of its own.
func openScreen(t *testing.T, cmd *exec.Cmd) *screen {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip("need pty: ", err)
	}
	s := &screen{master: os.NewFile(uintptr(fd), "ptmx"), done: make(chan struct{})}
	t.Cleanup(func() { s.master.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("need pty: ", err)
	}
	defer tty.Close()
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 120}); err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr.Setctty = true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		for b := make([]byte, 4096); ; {
			n, err := s.master.Read(b)
			s.mu.Lock()
			s.text.Write(b[:n])
			s.mu.Unlock()
			if err != nil {
				return // EIO once nobody has the other side open
			}
		}
	}()
	return s
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.ReplaceAll(s.text.String(), "\r\n", "\n") // the line discipline's
}

// waitFor waits until the screen has seen a text n times.
func (s *screen) waitFor(t *testing.T, text string, n int) {
	t.Helper()
	eventually(t, "on the terminal", func() error {
		if got := strings.Count(s.String(), text); got < n {
			return fmt.Errorf("%q stands there %d times, not %d: %q", text, got, n, s.String())
		}
		return nil
	})
}

// ctrlC presses it.
func (s *screen) ctrlC(t *testing.T) {
	t.Helper()
	if _, err := s.master.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
}

var anyEscape = regexp.MustCompile(`\x1b\[[0-9]*[A-Za-z]`)

// TestTerminalRedraws: windows replace one another in place; Ctrl-C leaves the totals.
func TestTerminalRedraws(t *testing.T) {
	e2eNeedKernel(t)
	cmd := eco2(t, "attach", "-i", "100ms")
	s := openScreen(t, cmd)
	s.waitFor(t, "window ", 3)
	s.ctrlC(t)
	if code := waitCode(t, cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
	<-s.done
	text := s.String()
	windows, totals := strings.Count(text, "\x1b[Hwindow "), strings.Count(text, "\x1b[H\x1b[2Jtotal ")
	if windows < 3 || windows != strings.Count(text, "window ") || totals != 1 || !strings.HasSuffix(text, "\n") {
		t.Errorf("%d windows drawn in place, %d totals: %q", windows, totals, text)
	}
	_, total, _ := strings.Cut(text, "\x1b[2J")
	if !strings.Contains(total, "(idle)") || anyEscape.MatchString(total) {
		t.Errorf("after the totals: %q", total)
	}
	rest := anyEscape.ReplaceAllString(text, "")
	if strings.ContainsFunc(rest, func(r rune) bool { return r < ' ' && r != '\n' }) && !strings.Contains(rest, "^C") {
		t.Errorf("other control characters: %q", rest)
	}
}

// TestTerminalJSON: a format for programs never draws.
func TestTerminalJSON(t *testing.T) {
	e2eNeedKernel(t)
	cmd := eco2(t, "attach", "-o", "json", "-i", "100ms", "-d", "250ms")
	s := openScreen(t, cmd)
	if code := waitCode(t, cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
	<-s.done
	windowsAddUp(t, jsonLines(t, s.String()))
}

// TestTerminalInterruptsOnce: the terminal sends Ctrl-C to the command itself; eco2-bpf must not pass its own on.
func TestTerminalInterruptsOnce(t *testing.T) {
	e2eNeedKernel(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := eco2(t, "run", "--", self, "200ms")
	cmd.Env = e2eHelper("sigcount")
	s := openScreen(t, cmd)
	s.waitFor(t, "ready", 1)
	s.ctrlC(t)
	if code := waitCode(t, cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
	<-s.done
	if text := s.String(); !strings.Contains(text, "interrupts: 1\n") || !strings.Contains(text, "\ntotal ") {
		t.Errorf("want one interrupt, and a report: %q", text)
	}
}
