package host

import (
	"bytes"
	"os"
	"path/filepath"
)

// Online tells when CPUs come or go, by SYSFS/devices/system/cpu/online.
type Online struct {
	f          *os.File
	last, text [256]byte
	n          int
}

// WatchOnline holds the file open until the program ends. Where there is none, nothing ever changes.
func WatchOnline(sysfs string) *Online {
	f, err := os.Open(filepath.Join(sysfs, "devices/system/cpu/online"))
	if err != nil {
		return &Online{}
	}
	o := &Online{f: f}
	o.Changed()
	return o
}

// Changed tells whether the list of CPUs differs from that of the last call, in its first 256 bytes: one system call.
func (o *Online) Changed() bool {
	if o.f == nil {
		return false
	}
	n, _ := o.f.ReadAt(o.text[:], 0) // of an error nothing is learned: an empty list is none
	if n == 0 || n == o.n && bytes.Equal(o.text[:n], o.last[:n]) {
		return false
	}
	o.n = copy(o.last[:], o.text[:n])
	return true
}
