package bpf

import "bytes"

// commCache keeps one string for each name, so that a process that runs in every window costs no allocation.
type commCache struct {
	names map[[16]int8]string
}

const commCacheMax = 8192

// intern returns the name up to its first NUL: the bytes behind it may be an older name's (seen on 5.10).
func (c *commCache) intern(raw *[16]int8) string {
	if s, ok := c.names[*raw]; ok {
		return s
	}
	var b [16]byte
	for i, v := range raw {
		b[i] = byte(v)
	}
	name, _, _ := bytes.Cut(b[:], []byte{0})
	if c.names == nil {
		c.names = make(map[[16]int8]string)
	}
	s := string(name)
	c.names[*raw] = s
	return s
}

// endWindow bounds the cache: names are the processes' to choose, and some choose a new one each time.
func (c *commCache) endWindow() {
	if len(c.names) > commCacheMax {
		clear(c.names)
	}
}
