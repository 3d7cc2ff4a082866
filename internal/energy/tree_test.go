package energy

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/testtree"
)

// tree writes testdata/NAME.tree under a temporary folder and returns that folder, which stands for /sys.
func tree(t testing.TB, name string) string {
	t.Helper()
	return testtree.Write(t, filepath.Join("testdata", name+".tree"))
}

// zonePath is where the class directory has a zone's file.
func zonePath(root, id, file string) string {
	return filepath.Join(root, "class", "powercap", id, file)
}

// set writes a counter in place, as sysfs would show it: the open file sees it.
func set(t testing.TB, root, id string, uj int64) {
	t.Helper()
	setText(t, root, id, strconv.FormatInt(uj, 10)+"\n")
}

func setText(t testing.TB, root, id, text string) {
	t.Helper()
	f, err := os.OpenFile(zonePath(root, id, "energy_uj"), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t testing.TB, root string) *powercap {
	t.Helper()
	p, _, err := openPowercap(root, kernelFiles)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}
