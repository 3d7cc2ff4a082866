package recording

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

var (
	errShort = errors.New("a record is shorter than its fields")
	errRange = errors.New("a number is out of its range")
)

// decoder reads fields of a record. The first error stays, and all that is read after it is zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.b = nil
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

// upTo reads a number that is at most that.
func (d *decoder) upTo(most uint64) uint64 {
	v := d.uint()
	if v > most {
		d.fail(errRange)
		return 0
	}
	return v
}

func (d *decoder) uint32() uint32      { return uint32(d.upTo(math.MaxUint32)) }
func (d *decoder) bool() bool          { return d.upTo(1) == 1 }
func (d *decoder) time() time.Duration { return time.Duration(d.upTo(maxSum)) }

// count reads how many follow, of at least so many bytes each: nobody makes room for more than can come.
func (d *decoder) count(most, size int) int {
	n := d.uint()
	if n > uint64(min(most, len(d.b)/size)) {
		d.fail(errRange)
		return 0
	}
	return int(n)
}

// takes reads a number whose sum with those before is held to maxSum.
func (d *decoder) takes(sum *int64) int64 {
	v := int64(d.upTo(maxSum))
	if v > maxSum-*sum {
		d.fail(errRange)
		return 0
	}
	*sum += v
	return v
}

// grown reads by how much a count has grown, and adds it to that. The sum of all such counts is held to maxSum.
func (d *decoder) grown(count, sum *int64) (by int64) {
	by = d.takes(sum)
	*count += by // which is a part of the sum
	return by
}

// add is grown for a number that was read already.
func (d *decoder) add(count *int64, by int64, sum *int64) {
	if by > maxSum-*sum {
		d.fail(errRange)
		return
	}
	*sum += by
	*count += by
}

// near reads a number as its distance from another; it is from 0 to maxSum.
func (d *decoder) near(to int64) int64 {
	v := d.int()
	if v > maxSum || v < -maxSum || to+v < 0 || to+v > maxSum {
		d.fail(errRange)
		return 0
	}
	return to + v
}

func (d *decoder) text() string { return d.textUpTo(maxText) }

func (d *decoder) textUpTo(most int) string {
	n := d.count(most, 1)
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
