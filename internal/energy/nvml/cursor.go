//go:build cgo

package nvml

import "time"

const (
	// late is how long after its time a sample may come to light: the driver takes one every 1/6 to 1 s.
	late = time.Second
	// ahead is how far a sample's timestamp may be in front of the time that passed here, before its clock is taken to have been set.
	ahead = 2 * time.Second
	// maxStamp is no time at all; below it nothing overflows.
	maxStamp = 1 << 62
)

// cursor is up to where samples of one kind were read, by the driver's clock: microseconds, of the wall clock on every driver seen.
type cursor struct {
	last uint64        // a timestamp: of the newest sample, or where to start; 0: not known, the next samples tell
	at   time.Duration // of the edge that set it
}

// start sets the cursor to the wall clock.
func (c *cursor) start(wall time.Time, at time.Duration) {
	c.last, c.at = uint64(max(0, wall.UnixMicro())), at
}

// since gives the timestamp to read on from, at the end of a window. After a rest that is not the newest sample's: the driver gives
// the mean over all that time.
func (c *cursor) since(at, window time.Duration) uint64 {
	if c.last == 0 {
		return 0
	}
	return c.last + micros(at-c.at-window-late)
}

// until gives the newest timestamp that can be.
func (c *cursor) until(at time.Duration) uint64 {
	if c.last == 0 {
		return maxStamp
	}
	return min(c.last+micros(at-c.at+ahead), maxStamp)
}

// move notes the newest sample of an edge.
func (c *cursor) move(stamp uint64, at time.Duration) { c.last, c.at = stamp, at }

// skip passes over the samples of a window that could not be read.
func (c *cursor) skip(at time.Duration) {
	if c.last > 0 {
		c.move(c.last+micros(at-c.at), at)
	}
}

// lose forgets the cursor: the next samples are a baseline.
func (c *cursor) lose(at time.Duration) { c.last, c.at = 0, at }

func micros(d time.Duration) uint64 { return uint64(max(0, d).Microseconds()) }
