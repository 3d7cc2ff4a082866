package recording

import (
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// appendFrame makes a frame: its type, its length, the CRC-32C of those two and the payload, and that.
func appendFrame(to []byte, kind byte, payload []byte) []byte {
	at := len(to)
	to = binary.AppendUvarint(append(to, kind), uint64(len(payload)))
	sum := crc32.Update(crc32.Checksum(to[at:], castagnoli), castagnoli, payload)
	return append(binary.LittleEndian.AppendUint32(to, sum), payload...)
}

// stream compresses records and puts them into frames.
type stream struct {
	w       io.Writer
	deflate *flate.Writer
	out     []byte // compressed, not framed yet
	frame   []byte
	held    int // bytes of records since the last flush
	written int64
}

// newStream begins a file.
func newStream(w io.Writer, header []byte) (*stream, error) {
	s := &stream{w: w}
	var err error
	if s.deflate, err = flate.NewWriter(compressed{s}, flate.DefaultCompression); err != nil {
		return nil, err
	}
	s.frame = appendFrame(append([]byte(magic), version), frameHeader, header)
	return s, s.send()
}

// compressed takes what the compressor puts out.
type compressed struct{ s *stream }

func (c compressed) Write(b []byte) (int, error) {
	c.s.out = append(c.s.out, b...)
	return len(b), nil
}

// record adds one.
func (s *stream) record(kind byte, payload []byte) error {
	var head [1 + binary.MaxVarintLen64]byte
	b := binary.AppendUvarint(append(head[:0], kind), uint64(len(payload)))
	s.held += len(b) + len(payload)
	for _, part := range [][]byte{b, payload} {
		if _, err := s.deflate.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// flush writes all records so far: a reader of the file can have them from now on.
func (s *stream) flush() error {
	if s.held == 0 {
		return nil
	}
	if err := s.deflate.Flush(); err != nil {
		return err
	}
	s.held = 0
	return s.sendData()
}

// finish ends the file.
func (s *stream) finish(edges uint64) error {
	if err := s.deflate.Close(); err != nil {
		return err
	}
	if err := s.sendData(); err != nil {
		return err
	}
	s.frame = appendFrame(s.frame[:0], frameEnd, binary.AppendUvarint(nil, edges))
	return s.send()
}

func (s *stream) sendData() error {
	for rest := s.out; len(rest) > 0; {
		n := min(len(rest), maxFrame)
		s.frame = appendFrame(s.frame[:0], frameData, rest[:n])
		if err := s.send(); err != nil {
			return err
		}
		rest = rest[n:]
	}
	s.out = s.out[:0]
	return nil
}

// send writes a frame at once.
func (s *stream) send() error {
	n, err := s.w.Write(s.frame)
	s.written += int64(n)
	return err
}
