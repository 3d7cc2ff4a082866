package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"strings"
)

// readTable reads a CSV file whose header must be exactly the given columns, and returns its rows.
func readTable(path string, columns ...string) ([][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	want := strings.Join(columns, ",")
	if len(rows) == 0 || strings.Join(rows[0], ",") != want {
		return nil, fmt.Errorf("read %s: the header is not %s", path, want)
	}
	return rows[1:], nil
}

// writeTable writes header and rows by way of a new file, so that a broken run leaves the old table whole.
func writeTable(path string, header []string, rows [][]string) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(append([][]string{header}, rows...)); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
