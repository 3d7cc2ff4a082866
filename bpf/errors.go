package bpf

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// UnavailableError says that this kernel, or these privileges, do not allow the programs. Next is what the user can do.
type UnavailableError struct {
	What string
	Err  error
	Next string
}

func (e *UnavailableError) Error() string {
	if e.Err == nil {
		return e.What
	}
	return fmt.Sprintf("%s: %v", e.What, e.Err)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

const (
	nextRoot   = "run as root (sudo), or with the capabilities CAP_BPF and CAP_PERFMON (CAP_SYS_RESOURCE before Linux 5.11; CAP_DAC_READ_SEARCH for energy counters and names of cgroups)"
	nextBTF    = "eco2-bpf needs Linux 5.10 or later with CONFIG_DEBUG_INFO_BTF=y; the stock kernels of Debian, Ubuntu, Fedora, RHEL 9 and SUSE have it"
	nextDoctor = "see what is missing with: eco2-bpf doctor"
)

// explain turns an error of the kernel into one that names the next step.
func explain(doing string, err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES) && !errors.As(err, &verifier):
		return &UnavailableError{What: doing + ": permission denied", Next: nextRoot}
	case errors.Is(err, ebpf.ErrNotSupported), errors.As(err, &verifier), errors.Is(err, unix.EINVAL):
		return &UnavailableError{What: doing, Err: err, Next: nextDoctor}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// DefaultBTF is where the kernel shows its type information.
const DefaultBTF = "/sys/kernel/btf/vmlinux"

func checkBTF(path string) error {
	if path == "" {
		path = DefaultBTF
	}
	f, err := os.Open(path)
	if err != nil {
		return &UnavailableError{What: "this kernel shows no type information (BTF)", Err: err, Next: nextBTF}
	}
	return f.Close()
}

// allowMemlock lifts the locked-memory limit where the kernel still counts maps against it (before 5.11).
func allowMemlock() error {
	if err := rlimit.RemoveMemlock(); err != nil {
		return &UnavailableError{What: "lift the locked-memory limit", Err: err, Next: nextRoot}
	}
	return nil
}

// PossibleCPUs is how many CPUs could ever come online, by which the tables are sized.
func PossibleCPUs() (int, error) {
	n, err := ebpf.PossibleCPU()
	if err != nil {
		return 0, fmt.Errorf("count possible cpus: %w", err)
	}
	return n, nil
}
