package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// walk looks at all cgroups, level by level, and appends what they have reserved.
func (r *Reservations) walk(into []Reservation) ([]Reservation, error) {
	r.troubles, r.first, r.left = 0, nil, 0
	clear(r.nodes) // lets go of their paths
	r.nodes = append(r.nodes[:0], reserving{path: "."})
	for i := 0; i < len(r.nodes); i++ {
		if err := r.visit(i); err != nil && !vanished(err) {
			r.odd(&r.nodes[i], err)
		}
	}
	var err error
	if r.troubles > 0 {
		err = fmt.Errorf("read what cgroups have reserved: %d times odd, first: %w", r.troubles, r.first)
	}
	if r.left > 0 {
		err = errors.Join(err, fmt.Errorf("read what cgroups have reserved: there are over %d, %d were not looked at", r.maxCgroups, r.left))
	}
	return shareReserved(r.nodes, into), err
}

// odd notes what cannot be read, or what no kernel shows. Whoever made the cgroup chose its name.
func (r *Reservations) odd(n *reserving, err error) {
	if r.troubles++; r.first == nil {
		r.first = fmt.Errorf("cgroup %q: %w", n.path, err)
	}
}

// visit reads one cgroup, and adds those below it to the list.
func (r *Reservations) visit(i int) error {
	n := &r.nodes[i]
	dir, err := unix.Openat(r.root, n.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return err
	}
	n.id = st.Ino
	read := r.readV2
	if r.v1 {
		read = r.readV1
	}
	// The kernel counts the directories below one in its links. File systems that do not have 1.
	if !read(dir, n, st.Nlink != 2) {
		return nil
	}
	prefix := n.path + "/"
	if n.root() {
		prefix = ""
	}
	for {
		size, err := unix.ReadDirent(dir, r.buf[:])
		if err != nil || size <= 0 {
			return err
		}
		for entries := r.buf[:size]; len(entries) > 0; {
			var name []byte
			if name, entries = nextDirectory(entries); name != nil {
				r.below(i, prefix+string(name))
			}
		}
	}
}

func (r *Reservations) below(parent int, path string) {
	if len(r.nodes) < r.maxCgroups {
		r.nodes = append(r.nodes, reserving{path: path, parent: parent})
		return
	}
	r.left++
	r.nodes[parent].populated = true // for all that is known
}

// nextDirectory takes the first entry of what getdents64(2) gave. Its name is nil where it is no directory's; the file system may not tell.
func nextDirectory(entries []byte) (name, rest []byte) {
	const lengthAt, kindAt, nameAt = 16, 18, 19
	if len(entries) < nameAt {
		return nil, nil
	}
	length, kind := int(binary.NativeEndian.Uint16(entries[lengthAt:])), entries[kindAt]
	if length < nameAt || length > len(entries) {
		return nil, nil
	}
	name, _, _ = bytes.Cut(entries[nameAt:length], []byte{0})
	if kind != unix.DT_DIR && kind != unix.DT_UNKNOWN || len(name) == 0 || string(name) == "." || string(name) == ".." {
		return nil, entries[length:]
	}
	return name, entries[length:]
}

// vanished tells that a cgroup was removed while it was looked at, or that a name is no directory's.
func vanished(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOTDIR)
}
