// Package output shows Snapshots. It does no arithmetic beyond formatting, and never knows where a Snapshot came from.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
)

// View shows one Snapshot after another.
type View interface {
	Show(*snapshot.Snapshot) error
}

// Formats are the values of -o.
var Formats = []string{"table", "json"}

// JSON writes one object a line.
type JSON struct{ W io.Writer }

// Show writes a snapshot in one write, so that a reader of a pipe never sees half a line.
func (j JSON) Show(s *snapshot.Snapshot) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return fmt.Errorf("encode a %s: %w", s.Kind, err)
	}
	return write(j.W, b.Bytes())
}

func write(w io.Writer, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}
