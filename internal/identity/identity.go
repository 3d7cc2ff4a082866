// Package identity turns the kernel's numbers into names: users and cgroup paths. Nothing here is needed to count a joule, so
// nothing here fails: what cannot be named keeps its number.
package identity

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// Users names user ids from the passwd file. Directory services are not asked: a look-up in a window's loop could block it.
type Users struct {
	names map[uint32]string
}

// ReadUsers reads a passwd file (default /etc/passwd).
func ReadUsers(path string) *Users {
	u := &Users{names: map[uint32]string{}}
	if path == "" {
		path = "/etc/passwd"
	}
	f, err := os.Open(path)
	if err != nil {
		return u
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		f := strings.SplitN(s.Text(), ":", 4)
		if len(f) < 4 || f[0] == "" {
			continue
		}
		if id, err := strconv.ParseUint(f[2], 10, 32); err == nil {
			if _, ok := u.names[uint32(id)]; !ok { // the first entry of an id is its name
				u.names[uint32(id)] = f[0]
			}
		}
	}
	return u
}

// Has tells whether a user is called so.
func (u *Users) Has(name string) bool {
	for _, n := range u.names {
		if n == name {
			return true
		}
	}
	return false
}

// Name returns the user's name, or the number where it has none.
func (u *Users) Name(uid uint32) string {
	if name, ok := u.names[uid]; ok {
		return name
	}
	return strconv.FormatUint(uint64(uid), 10)
}
