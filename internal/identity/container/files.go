package container

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const bodyMax = 1 << 20 // of a file or a reply

var (
	errLong    = errors.New("longer than 1 MiB")
	errForm    = errors.New("not of the form that was expected")
	errUnknown = errors.New("no such container")
)

// openat2 is replaced in tests.
var openat2 = unix.Openat2

// tree is the host's file system. Where it is mounted in a container, its absolute symbolic links (/var/run, a moved data directory)
// have to stay in it.
type tree struct{ root string }

func (t tree) open(path string, flags uint64) (*os.File, error) {
	at, err := unix.Open(t.root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", t.root, err)
	}
	defer unix.Close(at)
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := openat2(at, strings.TrimPrefix(path, "/"), &how)
	if errors.Is(err, unix.ENOSYS) && t.root == "/" { // before 5.6, or behind a seccomp filter such as our own: nothing to stay in
		fd, err = unix.Open(path, int(how.Flags), 0)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// read returns a regular file's content, up to most bytes of it: a longer one is an error.
func (t tree) read(path string, most int64) ([]byte, error) {
	f, err := t.open(path, unix.O_RDONLY|unix.O_NONBLOCK) // a pipe would wait for its writer
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: %w", path, errors.Join(errForm, err))
	}
	return readAll(f, most)
}

func readAll(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		return nil, errLong
	}
	return b, err
}

// names lists a directory, up to most entries of it, in no order.
func (t tree) names(path string, most int) ([]string, error) {
	f, err := t.open(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(most)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

// has says whether something is there, or may be: a directory on the way that cannot be read hides it.
func (t tree) has(path string) bool {
	f, err := t.open(path, unix.O_PATH)
	if err == nil {
		f.Close()
	}
	return !errors.Is(err, fs.ErrNotExist)
}
