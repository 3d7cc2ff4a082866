package recording

import "encoding/binary"

// encoder appends fields to a record.
type encoder struct{ b []byte }

func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }

// int writes a signed number: 0, -1, 1, -2 are 0, 1, 2, 3.
func (e *encoder) int(v int64) { e.b = binary.AppendVarint(e.b, v) }

func (e *encoder) bool(v bool) {
	if v {
		e.uint(1)
	} else {
		e.uint(0)
	}
}

// grown writes by how much a count that never goes down has grown, and keeps it. One that went down has stayed.
func (e *encoder) grown(was *int64, now int64) {
	e.uint(uint64(max(0, now-*was)))
	*was = max(*was, now)
}

// text writes a string with its length before it, cut to what a reader takes.
func (e *encoder) text(s string) { e.textUpTo(s, maxText) }

func (e *encoder) textUpTo(s string, most int) {
	s = s[:min(len(s), most)]
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}
