package identity

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// argsMax is how much of a command line is kept: as much as the programs tell.
const argsMax = 256

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// ReadProgram reads what a process runs: its executable, the first bytes of its command line (NUL-separated), and that one's length or,
// of a long one, one more than is read. What cannot be read is empty, and so is all if the pid is another process's by now.
func ReadProgram(procfs string, k ProcessKey) (exe, args string, argsSize int) {
	dir := filepath.Join(procfs, strconv.FormatUint(uint64(k.TGID), 10))
	exe, _ = os.Readlink(filepath.Join(dir, "exe")) // refused for other users' processes, and for some even to root
	exe = strings.TrimSuffix(exe, " (deleted)")
	if f, err := os.Open(filepath.Join(dir, "cmdline")); err == nil {
		var b [argsMax + 1]byte
		n, _ := io.ReadFull(f, b[:])
		f.Close()
		args, argsSize = string(b[:min(n, argsMax)]), n
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if start, ok := startOf(stat); err != nil || !ok || (k.Start-start).Abs() > tick {
		return "", "", 0
	}
	return exe, args, argsSize
}

// startOf reads the start since boot from /proc/PID/stat: field 22, behind a name that may hold anything.
func startOf(stat []byte) (time.Duration, bool) {
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 {
		return 0, false
	}
	f := bytes.Fields(stat[i+1:])
	if len(f) < 20 {
		return 0, false
	}
	ticks, err := strconv.ParseInt(string(f[19]), 10, 64)
	return time.Duration(ticks) * tick, err == nil && ticks >= 0 && ticks < 1<<40
}
