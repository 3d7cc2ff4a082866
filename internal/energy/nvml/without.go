//go:build !cgo

package nvml

import "github.com/eco2-bpf/eco2-bpf/internal/energy"

// Open answers with energy.ErrAbsent: this build cannot call a C library.
func Open(sysfs string) (energy.Source, []energy.Reason, error) {
	reasons, err := absent(sysfs, "this build cannot read NVIDIA GPUs (it was built without cgo)", "use a build with CGO_ENABLED=1")
	return nil, reasons, err
}
