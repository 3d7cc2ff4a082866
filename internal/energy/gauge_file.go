package energy

import (
	"bytes"
	"errors"
	"io/fs"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// powerInput is what tells the power of a device now.
type powerInput interface {
	// power fails with a notNow where the device is well and tells nothing.
	power() (units.Watts, error)
	close()
}

// notNow is why a device that works says nothing about the power now.
type notNow string

func (n notNow) Error() string { return string(n) }

// parseSigned takes what parseCounter takes, with a minus sign before it.
func parseSigned(b []byte) (int64, error) {
	rest, minus := bytes.CutPrefix(b, []byte("-"))
	v, err := parseCounter(rest)
	if minus {
		v = -v
	}
	return v, err
}

// fetch reads a file's text. It goes by the path again where the open file does not work, as after a driver was bound anew.
func fetch(f *counterFile) ([]byte, error) {
	b, err := f.text()
	if err == nil {
		return b, nil
	}
	if _, err = f.reopen(); err != nil {
		return nil, err
	}
	return f.text()
}

func fetchSigned(f *counterFile) (int64, error) {
	b, err := fetch(f)
	if err != nil {
		return 0, err
	}
	return parseSigned(b)
}

// openAll opens files that a device cannot do without; none stays open when one fails.
func openAll(files ...*counterFile) error {
	for _, f := range files {
		if _, err := f.reopen(); err != nil {
			for _, g := range files {
				g.close()
			}
			return err
		}
	}
	return nil
}

// wattFile is a file in microwatts.
type wattFile struct{ file *counterFile }

func (w wattFile) power() (units.Watts, error) {
	v, err := fetchSigned(w.file)
	return units.Watts(float64(v) / 1e6), err
}

func (w wattFile) close() { w.file.close() }

// rail is a voltage and a current: a shunt's, in mV and mA, or a battery's, in uV and uA.
type rail struct {
	voltage, current *counterFile
	scale            float64 // of their product, to watts
}

func (r rail) power() (units.Watts, error) {
	v, err := fetchSigned(r.voltage)
	if err != nil {
		return 0, err
	}
	i, err := fetchSigned(r.current)
	return units.Watts(float64(v) * float64(i) * r.scale), err
}

func (r rail) close() {
	r.voltage.close()
	r.current.close()
}

// readText gives a small file's text without the newline, if it can be shown as it is: firmware chose it.
func readText(f files, z zoneDir, file string) (string, error) {
	c := newCounterFile(f, z, file)
	if _, err := c.reopen(); err != nil {
		return "", err
	}
	defer c.close()
	b, err := c.text()
	if err != nil {
		return "", err
	}
	return cleanText(b)
}

var errText = errors.New("text cannot be shown")

// cleanText passes one line of printable ASCII.
func cleanText(b []byte) (string, error) {
	b = bytes.TrimRight(b, "\n ")
	for _, c := range b {
		if c < ' ' || c > '~' {
			return "", errText
		}
	}
	return string(b), nil
}

// optionalText is readText of a file that many devices do not have.
func optionalText(f files, z zoneDir, file string) string {
	s, err := readText(f, z, file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return s
}
