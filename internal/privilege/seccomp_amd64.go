package privilege

import "golang.org/x/sys/unix"

const arch = unix.AUDIT_ARCH_X86_64

// legacy adds the calls that newer architectures do without.
func (f filter) legacy() filter {
	f = f.on(unix.SYS_OPEN, noneOfBits(1, writing)...)
	for _, nr := range []uint32{
		unix.SYS_CREAT, unix.SYS_MKDIR, unix.SYS_RMDIR, unix.SYS_MKNOD, unix.SYS_UNLINK, unix.SYS_RENAME, unix.SYS_LINK, unix.SYS_SYMLINK,
		unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_UTIME, unix.SYS_UTIMES, unix.SYS_FUTIMESAT,
		unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT,
	} {
		f = f.on(nr, ret(deny))
	}
	return f
}
