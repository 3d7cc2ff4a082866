//go:build !cgo

package nvml

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

func TestWithoutCgo(t *testing.T) {
	sysfs := t.TempDir()
	src, reasons, err := Open(sysfs)
	if src != nil || !errors.Is(err, energy.ErrAbsent) || len(reasons) != 1 || !reasons[0].OK || !strings.Contains(reasons[0].Text, "without cgo") {
		t.Errorf("%v, %+v, %v", src, reasons, err)
	}
	dir := filepath.Join(sysfs, "bus", "pci", "devices", "0000:65:00.0")
	write(t, filepath.Join(dir, "vendor"), "0x10de\n")
	write(t, filepath.Join(dir, "class"), "0x030200\n")
	if _, reasons, err = Open(sysfs); !errors.Is(err, energy.ErrAbsent) || len(reasons) != 1 || reasons[0].OK || !strings.Contains(reasons[0].Next, "CGO_ENABLED=1") {
		t.Errorf("%+v, %v", reasons, err)
	}
}
