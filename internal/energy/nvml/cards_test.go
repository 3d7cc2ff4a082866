package nvml

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A machine without GPU is a normal state; a GPU that nobody reads is not.
func TestAbsent(t *testing.T) {
	for name, c := range map[string]struct {
		vendor, class string
		ok            bool
	}{
		"no bus":            {"", "", true},
		"a GPU":             {"0x10de\n", "0x030200\n", false},
		"a screen":          {"0x10de\n", "0x030000\n", false},
		"its sound":         {"0x10de\n", "0x040300\n", true},
		"another's GPU":     {"0x1002\n", "0x030000\n", true},
		"unreadable vendor": {"", "0x030000\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			sysfs := t.TempDir()
			dir := filepath.Join(sysfs, "bus", "pci", "devices", "0000:65:00.0")
			if c.vendor != "" {
				write(t, filepath.Join(dir, "vendor"), c.vendor)
			}
			if c.class != "" {
				write(t, filepath.Join(dir, "class"), c.class)
			}
			reasons, err := absent(sysfs, "no driver", "install it")
			if !errors.Is(err, energy.ErrAbsent) || len(reasons) != 1 || reasons[0].OK != c.ok || reasons[0].Source != "nvml" {
				t.Fatalf("%+v, %v", reasons, err)
			}
			if r := reasons[0]; !c.ok && (!strings.Contains(r.Text, "no driver") || !strings.Contains(r.Text, "0000:65:00.0") || r.Next != "install it") {
				t.Errorf("%+v", r)
			}
		})
	}
}
