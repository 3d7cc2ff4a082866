package ours

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// tree is a powercap tree on disk, for the reader that reads a real one: wraps and steps are its business.
type tree struct {
	root  string // stands for /sys
	files []*os.File
}

// newTree makes one below dir with the zones of a machine.
func newTree(dir string, zones []seen.Zone) (*tree, error) {
	root, err := os.MkdirTemp(dir, "sys")
	if err != nil {
		return nil, err
	}
	t := &tree{root: root}
	ids, below := make([]string, len(zones)), make([]int, len(zones))
	top := 0
	for i, z := range zones {
		if z.Parent >= i {
			return nil, errors.Join(fmt.Errorf("zone %d (%s) comes before the zone that holds it", i, z.Name), t.close())
		}
		if z.Parent < 0 {
			ids[i] = "intel-rapl:" + strconv.Itoa(top)
			top++
		} else {
			ids[i] = ids[z.Parent] + ":" + strconv.Itoa(below[z.Parent])
			below[z.Parent]++
		}
		if err := t.add(ids[i], z); err != nil {
			return nil, errors.Join(fmt.Errorf("make zone %s: %w", ids[i], err), t.close())
		}
	}
	return t, nil
}

func (t *tree) add(id string, z seen.Zone) error {
	dir := filepath.Join(t.root, "class", "powercap", id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{"name": z.Name, "max_energy_range_uj": strconv.FormatUint(z.Range, 10)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o644); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(dir, "energy_uj"))
	if err == nil {
		t.files = append(t.files, f)
		_, err = f.WriteString("0\n")
	}
	return err
}

// set shows other values of the counters.
func (t *tree) set(values []uint64) error {
	for i, f := range t.files {
		if i >= len(values) {
			return fmt.Errorf("%d values of %d counters", len(values), len(t.files))
		}
		text := strconv.AppendUint(nil, values[i], 10)
		text = append(text, '\n')
		if _, err := f.WriteAt(text, 0); err != nil {
			return err
		}
		if err := f.Truncate(int64(len(text))); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) close() error {
	var errs []error
	for _, f := range t.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(t.root))...)
}
