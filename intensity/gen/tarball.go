package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxMember bounds what is unpacked; both members are below 50 KiB.
const maxMember = 4 << 20

// read returns the package's member out of the tarball at path, after checking the pinned sum.
func (p npmPackage) read(path string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(raw)); sum != p.sum {
		return nil, fmt.Errorf("check %s: sha256 is %s, pinned for %s is %s", path, sum, p.spec, p.sum)
	}
	return unpack(raw, p.member)
}

// unpack returns one member of a gzipped tar.
func unpack(tarball []byte, member string) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(tarball))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("unpack: no member %s", member)
		}
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		if h.Name != member {
			continue
		}
		b, err := io.ReadAll(io.LimitReader(tr, maxMember+1))
		if err != nil {
			return nil, fmt.Errorf("unpack %s: %w", member, err)
		}
		if len(b) > maxMember {
			return nil, fmt.Errorf("unpack %s: more than %d bytes", member, maxMember)
		}
		return b, nil
	}
}
