package host

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
)

// MemTotal is the memory that the kernel has to share out, in bytes: MemTotal of PROCFS/meminfo, which is what is installed less what
// firmware and the kernel itself have taken.
func MemTotal(procfs string) (int64, error) {
	f, err := os.Open(filepath.Join(procfs, "meminfo"))
	if err != nil {
		return 0, fmt.Errorf("read how much memory there is: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return 0, fmt.Errorf("read how much memory there is: %w", err)
	}
	for line := range bytes.Lines(text) {
		rest, ok := bytes.CutPrefix(line, []byte("MemTotal:"))
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB"))), 10, 64)
		if err != nil || kib <= 0 || kib > math.MaxInt64>>11 {
			return 0, fmt.Errorf("read how much memory there is: %s says %.40q", f.Name(), rest)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("read how much memory there is: %s has no MemTotal", f.Name())
}
