package identity

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Cgroups finds the path of a cgroup by its id, the kernfs id that the accounts carry. Each id is looked up once.
type Cgroups struct {
	root    string
	dir     *os.File // of the hierarchy's root; nil: not mounted or not readable
	paths   map[uint64]string
	open    func(mount int, handle unix.FileHandle, flags int) (fd int, err error)
	walked  time.Time
	unknown map[uint64]struct{}
	dropped int // of unknown
}

// cgroupCacheMax bounds the cache: a machine that makes a cgroup for every job makes many.
const cgroupCacheMax = 65536

// OpenCgroups takes the directory where the hierarchy is mounted.
func OpenCgroups(mount string) *Cgroups {
	c := &Cgroups{root: mount, paths: map[uint64]string{}, unknown: map[uint64]struct{}{}, open: unix.OpenByHandleAt}
	if mount != "" {
		c.dir, _ = os.Open(mount) // without it ids stay numbers
	}
	return c
}

// Close closes the directory.
func (c *Cgroups) Close() error {
	if c.dir == nil {
		return nil
	}
	return c.dir.Close()
}

// Path returns the cgroup's path from the hierarchy's root ("/" is the root), or "cgroup:ID" when it cannot be found: it was
// removed before it was first looked up, or the hierarchy is not mounted here.
func (c *Cgroups) Path(id uint64) string {
	if p, ok := c.paths[id]; ok {
		return p
	}
	if len(c.paths) > cgroupCacheMax {
		clear(c.paths)
	}
	p, sure := c.find(id)
	delete(c.unknown, id)
	if p == "" {
		c.unknown[id] = struct{}{}
		p = "cgroup:" + strconv.FormatUint(id, 10)
	}
	if sure {
		c.paths[id] = p
	}
	if len(c.unknown) > cgroupCacheMax {
		c.dropped += len(c.unknown)
		clear(c.unknown)
	}
	return p
}

// Unknown is how many cgroups could not be named: they were gone, or unreadable, when they were looked for.
func (c *Cgroups) Unknown() uint64 { return uint64(c.dropped + len(c.unknown)) }

// Settle lets the next look-up walk at once: for a last look.
func (c *Cgroups) Settle() { c.walked = time.Time{} }

// walkEvery is the least time between two walks: they cost in proportion to what exists.
const walkEvery = time.Second

// fileidKernfs is the handle type of kernfs files: FILEID_KERNFS in include/linux/exportfs.h. Their handle is the 64-bit id.
const fileidKernfs = 0xfe

// find asks the kernel to open the directory by its id: no walk over all cgroups. Where that is not allowed (it takes
// CAP_DAC_READ_SEARCH) it walks, now and then; sure says that looking again would find no more.
func (c *Cgroups) find(id uint64) (path string, sure bool) {
	if c.dir == nil || id == 0 {
		return "", true
	}
	handle := binary.NativeEndian.AppendUint64(nil, id)
	fd, err := c.open(int(c.dir.Fd()), unix.NewFileHandle(fileidKernfs, handle), unix.O_RDONLY|unix.O_PATH)
	if err == nil {
		defer unix.Close(fd)
		path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if err != nil {
			return "", true
		}
		return c.relative(path), true
	}
	if err == unix.ESTALE || err == unix.ENOENT {
		return "", true
	}
	if time.Since(c.walked) < walkEvery {
		return "", false
	}
	path = c.walk(id)
	c.walked = time.Now()
	return path, true
}

// relative cuts the mount point off; a path outside of it, or one the kernel marks as deleted, is none.
func (c *Cgroups) relative(path string) string {
	rel, err := filepath.Rel(c.root, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") || strings.HasSuffix(path, " (deleted)") {
		return ""
	}
	if rel == "." {
		return "/"
	}
	return "/" + rel
}

// walk looks through the whole hierarchy, and keeps all it passes.
func (c *Cgroups) walk(id uint64) string {
	found := ""
	_ = filepath.WalkDir(c.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // a cgroup that vanishes in the middle of the walk is no reason to stop
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			if st.Ino == id {
				found = c.relative(path)
			} else if len(c.paths) < cgroupCacheMax {
				c.paths[st.Ino] = c.relative(path)
			}
		}
		return nil
	})
	return found
}
