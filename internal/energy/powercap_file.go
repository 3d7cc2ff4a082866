package energy

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// What can be wrong with the text of a counter. They are values, so that a bad read costs no more than a good one.
var (
	errEmpty    = errors.New("empty")
	errShort    = errors.New("short read")
	errNegative = errors.New("negative")
	errGarbage  = errors.New("not a number")
	errHuge     = errors.New("number too large")
)

// parseCounter takes "%lld\n", as the kernel writes it (drivers/powercap/powercap_sys.c). A missing newline means that the end is missing.
func parseCounter(b []byte) (int64, error) {
	if len(b) == 0 || (len(b) == 1 && b[0] == '\n') {
		return 0, errEmpty
	}
	if b[0] == '-' {
		return 0, errNegative
	}
	var v int64
	for i, c := range b {
		switch {
		case c == '\n' && i == len(b)-1 && i > 0:
			return v, nil
		case c < '0' || c > '9':
			return 0, errGarbage
		case v > (1<<63-1-int64(c-'0'))/10:
			return 0, errHuge
		}
		v = v*10 + int64(c-'0')
	}
	return 0, errShort
}

// files are the system calls that tests replace.
type files struct {
	open  func(path string) (int, error)
	pread func(fd int, p []byte, off int64) (int, error)
}

// openRead cannot hang, whatever is in the tree: O_NONBLOCK is for a pipe in place of a file.
func openRead(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

var kernelFiles = files{openRead, unix.Pread}

// readHead gives the first bytes of a file without the space at its end, and nothing where it cannot be read.
func readHead(path string) string {
	fd, err := openRead(path)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var buf [64]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(buf[:n]), " \n")
}

// counterFile is one file that stays open. It is read by one pread: os.File.ReadAt would ask again until end of file, and on sysfs each
// read at an offset runs the driver again, which may interrupt a CPU of that package.
type counterFile struct {
	files
	path string
	name string // for people: intel-rapl:0/energy_uj
	fd   int    // -1: closed
	buf  [32]byte
}

func newCounterFile(f files, z zoneDir, file string) *counterFile {
	return &counterFile{files: f, path: filepath.Join(z.path, file), name: z.id + "/" + file, fd: -1}
}

// reopen goes by the path again, and says whether that is still the same file. The old one is held open meanwhile, so its inode number cannot be
// given to another; a zone that is registered anew has a new inode in sysfs.
func (c *counterFile) reopen() (same bool, err error) {
	fd, err := c.open(c.path)
	if err == nil {
		var was, is unix.Stat_t
		same = c.fd >= 0 && unix.Fstat(c.fd, &was) == nil && unix.Fstat(fd, &is) == nil && was.Dev == is.Dev && was.Ino == is.Ino
	}
	c.close()
	if err != nil {
		return false, err
	}
	c.fd = fd
	return same, nil
}

func (c *counterFile) read() (int64, error) {
	b, err := c.text()
	if err != nil {
		return 0, err
	}
	return parseCounter(b)
}

// text gives what is in the file, up to the size of the buffer, until the next call.
func (c *counterFile) text() ([]byte, error) {
	if c.fd < 0 {
		return nil, fs.ErrClosed
	}
	for {
		n, err := c.pread(c.fd, c.buf[:], 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		return c.buf[:n], nil
	}
}

// replaced says that the open file has no name any more. sysfs answers ENODEV then, but an ordinary file (a recorded tree) would give its last value for ever.
func (c *counterFile) replaced() bool {
	var st unix.Stat_t
	return c.fd >= 0 && unix.Fstat(c.fd, &st) == nil && st.Nlink == 0
}

func (c *counterFile) close() {
	if c.fd >= 0 {
		_ = unix.Close(c.fd)
		c.fd = -1
	}
}

// isText says that the file was read and its text was wrong, so opening it again would not help.
func isText(err error) bool {
	return err == errEmpty || err == errShort || err == errNegative || err == errGarbage || err == errHuge
}
