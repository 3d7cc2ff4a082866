// Package nvml reads the energy of NVIDIA GPUs, and whose work it paid for, through the library that comes with their driver.
package nvml

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

const source = "nvml"

// PCI ids of what this package is about.
const (
	vendorNVIDIA = "0x10de"
	classDisplay = "0x03" // and 3D controllers, which have no screen
)

// cards lists the addresses of the NVIDIA GPUs on the PCI bus, which is there without any driver. Where it cannot be read there are none.
func cards(sysfs string) []string {
	dir := filepath.Join(sysfs, "bus", "pci", "devices")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var found []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if attribute(path, "vendor") == vendorNVIDIA && strings.HasPrefix(attribute(path, "class"), classDisplay) {
			found = append(found, e.Name())
		}
	}
	return found
}

// attribute reads a short file of sysfs; empty when it cannot.
func attribute(dir, name string) string {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// absent is the answer where nothing can be read. To have no NVIDIA driver is a normal state; to have a GPU without one costs joules.
func absent(sysfs, why, next string) ([]energy.Reason, error) {
	err := fmt.Errorf("%s: %w", why, energy.ErrAbsent)
	found := cards(sysfs)
	if len(found) == 0 {
		return []energy.Reason{{Source: source, OK: true, Text: why + ", and no NVIDIA GPU on the PCI bus"}}, err
	}
	text := fmt.Sprintf("%s: the energy of the NVIDIA GPU at PCI %s is not counted", why, strings.Join(found, ", "))
	return []energy.Reason{{Source: source, Text: text, Next: next}}, err
}
