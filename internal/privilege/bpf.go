package privilege

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ForBPF is what this kernel asks of who uses BPF objects that are open already: CAP_BPF before 5.19, unless unprivileged BPF is
// allowed, and nothing since, where only making more takes it. The kernel is asked, since kernels of distributions are not what their
// numbers say.
func ForBPF() ([]Cap, error) {
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var was [2]unix.CapUserData
	if err := unix.Capget(&header, &was[0]); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("read this thread's capabilities: %w", err)
	}
	now := was
	now[0].Effective, now[1].Effective = 0, 0
	if err := unix.Capset(&header, &now[0]); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("lower this thread's capabilities: %w", err)
	}
	// No such map: EBADF where the call is allowed at all.
	attr := struct {
		fd         uint32
		key, value uint64
		flags      uint64
	}{fd: ^uint32(0)}
	_, _, errno := unix.RawSyscall(unix.SYS_BPF, unix.BPF_MAP_LOOKUP_ELEM, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if err := unix.Capset(&header, &was[0]); err != nil {
		return nil, fmt.Errorf("raise this thread's capabilities again: %w", err) // the thread stays locked, and ends with this goroutine
	}
	runtime.UnlockOSThread()
	if errno == unix.EPERM {
		return []Cap{BPF}, nil
	}
	return nil, nil
}
