package main

import (
	"fmt"
	"io"
	"os"
)

// checkedWriter remembers the first error, so that a command that prints line by line need not ask after each.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// stdout is where commands print what they were asked for. main looks at its error.
var stdout = &checkedWriter{w: os.Stdout}

func put(format string, args ...any) { fmt.Fprintf(stdout, format, args...) }
