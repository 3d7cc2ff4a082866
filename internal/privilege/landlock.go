package privilege

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/landlock-lsm/go-landlock/landlock"
	"github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// The rights of each kind of path. None may write or execute.
const (
	readFile landlock.AccessFSSet = syscall.AccessFSReadFile
	readDir  landlock.AccessFSSet = syscall.AccessFSReadDir
	connect  landlock.AccessFSSet = syscall.AccessFSResolveUnix
	ioctl    landlock.AccessFSSet = syscall.AccessFSIoctlDev
)

// landlockFence leaves only the named paths to be opened, for reading. What is open already stays so. The kernel also refuses to
// show this process the memory, the executable and the namespaces of any other, whatever its capabilities, and connections to
// abstract sockets. Signals are seccomp's: scoped here, asking whether a process exists would end up in the audit log.
func landlockFence(n Needs) (detail string, notes []string, err error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch errno {
	case 0:
	case unix.ENOSYS:
		return "", nil, errors.New("this kernel has none")
	case unix.EOPNOTSUPP:
		return "", nil, errors.New("it was not enabled when this kernel was booted")
	default:
		return "", nil, errno
	}
	_, _ = time.Now().Zone() // reads the zone's file, once, while it can be read

	var rules []landlock.Rule
	add := func(rights landlock.AccessFSSet, paths []string) {
		for _, path := range paths {
			st, err := os.Stat(path)
			if err != nil {
				if !errors.Is(err, fs.ErrNotExist) {
					notes = append(notes, fmt.Sprintf("kept closed by landlock: %v", err))
				}
				continue
			}
			rule := rights
			if !st.IsDir() {
				rule &^= readDir // the kernel takes it for directories only
			}
			rules = append(rules, landlock.PathAccess(rule, path).IgnoreIfMissing())
		}
	}
	add(readFile|readDir, n.Read)
	add(connect, n.Sockets)
	add(readFile|ioctl, n.Ioctl)

	config := landlock.V11
	config.Scoped &^= syscall.ScopeSignal
	if err := config.BestEffort().Restrict(rules...); err != nil {
		return "", notes, err
	}
	return fmt.Sprintf("(ABI %d)", abi), notes, nil
}
