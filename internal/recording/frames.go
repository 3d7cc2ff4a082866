package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// frames reads the frames of a file, one after another. As an io.Reader it is the payloads of those that hold data.
type frames struct {
	r     io.Reader
	at    int64 // bytes of whole frames
	buf   []byte
	rest  []byte // of the data frame, not handed on yet
	edges uint64 // by the end frame
	ended bool   // that came
	cut   int64  // bytes of a frame whose end is missing
	err   error
}

var (
	errCut     = errors.New("it is cut off")
	errDamaged = errors.New("it is damaged")
)

// next reads a frame. Its payload is good until the next call. Errors: errCut at the end of the file, if it is not the end of a
// recording; errDamaged.
func (f *frames) next(most int) (kind byte, payload []byte, err error) {
	defer func() { f.err = err }()
	if f.err != nil {
		return 0, nil, f.err
	}
	var head [1 + binary.MaxVarintLen32 + 4]byte
	n := 0
	read := func(into []byte) error {
		m, err := io.ReadFull(f.r, into)
		f.cut += int64(m)
		n += m
		switch {
		case err == nil:
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return errCut
		}
		return fmt.Errorf("read the recording: %w", err)
	}
	f.cut = 0
	if err := read(head[:2]); err != nil {
		return 0, nil, err
	}
	for head[n-1]&0x80 != 0 {
		if n > binary.MaxVarintLen32 {
			return 0, nil, errDamaged
		}
		if err := read(head[n : n+1]); err != nil {
			return 0, nil, err
		}
	}
	size, _ := binary.Uvarint(head[1:n])
	if size > uint64(most) {
		return 0, nil, errDamaged
	}
	sum := crc32.Checksum(head[:n], castagnoli)
	crc := head[n : n+4]
	if err := read(crc); err != nil {
		return 0, nil, err
	}
	if f.buf = f.buf[:0]; uint64(cap(f.buf)) < size {
		f.buf = make([]byte, size)
	}
	f.buf = f.buf[:size]
	if err := read(f.buf); err != nil {
		return 0, nil, err
	}
	if crc32.Update(sum, castagnoli, f.buf) != binary.LittleEndian.Uint32(crc) {
		return 0, nil, errDamaged
	}
	f.at += f.cut
	f.cut = 0
	return head[0], f.buf, nil
}

// Read hands on the data, up to the end frame.
func (f *frames) Read(into []byte) (int, error) {
	for len(f.rest) == 0 {
		if f.ended {
			return 0, io.EOF
		}
		kind, payload, err := f.next(maxFrame)
		if err != nil {
			return 0, err
		}
		switch kind {
		case frameData:
			f.rest = payload
		case frameEnd:
			d := decoder{b: payload}
			if f.edges = d.uint(); d.err != nil {
				f.err = errDamaged
				return 0, f.err
			}
			f.ended = true
		}
	}
	n := copy(into, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// finish reads up to the end frame, behind all data.
func (f *frames) finish() error {
	var b [1]byte
	switch n, err := f.Read(b[:]); {
	case n > 0:
		return errDamaged
	case !errors.Is(err, io.EOF):
		return err
	}
	if n, _ := io.ReadFull(f.r, b[:]); n > 0 { // such as another recording
		return fmt.Errorf("%w: there is more behind its end", errDamaged)
	}
	return nil
}
