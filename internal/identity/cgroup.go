package identity

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Cgroup is one of them, as it was when it was last heard of.
type Cgroup struct {
	ID     uint64
	Path   string // from the hierarchy's root ("/" is the root), or "cgroup:ID" where it cannot be found
	Tenant Tenant
}

// Cgroups finds a cgroup by its id, the kernfs id that the accounts carry: from the events of its making, from one walk at the start,
// else by asking the kernel once. Its methods may be called by several goroutines.
type Cgroups struct {
	mu      sync.Mutex
	root    string
	dir     *os.File // of the hierarchy's root; nil: not mounted or not readable
	known   map[uint64]*Cgroup
	gone    map[uint64]struct{} // of those known
	open    func(mount int, handle unix.FileHandle, flags int) (fd int, err error)
	walked  time.Time
	unknown map[uint64]struct{}
	dropped int // of unknown
}

// cgroupCacheMax bounds the cache: a machine that makes a cgroup for every job makes many.
const cgroupCacheMax = 65536

// OpenCgroups takes the directory where the hierarchy is mounted.
func OpenCgroups(mount string) *Cgroups {
	c := &Cgroups{
		root: mount, known: map[uint64]*Cgroup{}, gone: map[uint64]struct{}{}, unknown: map[uint64]struct{}{}, open: unix.OpenByHandleAt,
	}
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

// Walk learns all that exist, so that none which ends before it is asked for stays a number. It costs in proportion to what exists:
// for the start. It returns them.
func (c *Cgroups) Walk() []*Cgroup {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dir != nil {
		c.walk(0)
	}
	all := make([]*Cgroup, 0, len(c.known))
	for _, cg := range c.known {
		all = append(all, cg)
	}
	return all
}

// Made notes a cgroup that was made, or moved, to that path. Empty: the path is not known.
func (c *Cgroups) Made(id uint64, path string) *Cgroup {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, id)
	delete(c.gone, id)
	if path == "" {
		return c.of(id)
	}
	return c.keep(id, path)
}

// Moved notes the new path of one; the paths of those below it are found again.
func (c *Cgroups) Moved(id uint64, path string) {
	c.mu.Lock()
	was := c.known[id]
	if was != nil {
		for other, cg := range c.known {
			if strings.HasPrefix(cg.Path, was.Path+"/") {
				delete(c.known, other)
			}
		}
	}
	c.mu.Unlock()
	c.Made(id, path)
}

// Gone notes that it was removed: it keeps its name while there is room.
func (c *Cgroups) Gone(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[id] != nil {
		c.gone[id] = struct{}{}
	}
}

// Of returns the cgroup of that id.
func (c *Cgroups) Of(id uint64) *Cgroup {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of(id)
}

// Path is that of the cgroup of that id.
func (c *Cgroups) Path(id uint64) string { return c.Of(id).Path }

func (c *Cgroups) of(id uint64) *Cgroup {
	if cg := c.known[id]; cg != nil {
		return cg
	}
	p, sure := c.find(id)
	if p != "" {
		delete(c.unknown, id)
		return c.keep(id, p)
	}
	c.unknown[id] = struct{}{}
	if len(c.unknown) > cgroupCacheMax {
		c.dropped += len(c.unknown)
		clear(c.unknown)
	}
	cg := &Cgroup{ID: id, Path: "cgroup:" + strconv.FormatUint(id, 10), Tenant: Tenant{Owner: -1}}
	if sure {
		c.room()
		c.known[id] = cg
	}
	return cg
}

func (c *Cgroups) keep(id uint64, path string) *Cgroup {
	c.room()
	cg := &Cgroup{ID: id, Path: path, Tenant: ParseTenant(path)}
	c.known[id] = cg
	return cg
}

// room makes some for one more.
func (c *Cgroups) room() {
	if len(c.known) >= cgroupCacheMax {
		for old := range c.gone {
			delete(c.known, old)
		}
		clear(c.gone)
	}
	if len(c.known) >= cgroupCacheMax {
		clear(c.known) // they are found again by their ids
	}
}

// Unknown is how many cgroups could not be named: they were gone, or unreadable, when they were looked for.
func (c *Cgroups) Unknown() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(c.dropped + len(c.unknown))
}

// Settle lets the next look-up walk at once: for a last look.
func (c *Cgroups) Settle() {
	c.mu.Lock()
	c.walked = time.Time{}
	c.mu.Unlock()
}

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
		if err != nil || strings.HasSuffix(path, " (deleted)") { // the kernel's mark
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

// relative cuts the mount point off; a path outside of it is none.
func (c *Cgroups) relative(path string) string {
	rel, err := filepath.Rel(c.root, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
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
			} else if c.known[st.Ino] == nil && len(c.known) < cgroupCacheMax {
				c.keep(st.Ino, c.relative(path))
			}
		}
		return nil
	})
	return found
}
