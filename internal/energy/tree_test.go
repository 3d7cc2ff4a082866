package energy

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// tree writes testdata/NAME.tree under a temporary folder and returns that folder, which stands for /sys.
func tree(t testing.TB, name string) string {
	t.Helper()
	text, err := os.Open(filepath.Join("testdata", name+".tree"))
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	root, dir := t.TempDir(), ""
	check := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	for s := bufio.NewScanner(text); s.Scan(); {
		line := s.Text()
		if key, value, ok := strings.Cut(line, " = "); ok && !strings.HasPrefix(line, "#") {
			check(os.WriteFile(filepath.Join(dir, key), []byte(value+"\n"), 0o644))
		} else if strings.HasPrefix(line, "[") {
			dir = filepath.Join(root, strings.Trim(line, "[]"))
			check(os.MkdirAll(dir, 0o755))
		} else if name, ok := strings.CutPrefix(line, "dir "); ok {
			check(os.Mkdir(filepath.Join(dir, name), 0o755))
		} else if link, ok := strings.CutPrefix(line, "link "); ok {
			from, to, _ := strings.Cut(link, " -> ")
			check(os.MkdirAll(filepath.Dir(filepath.Join(root, from)), 0o755))
			check(os.Symlink(to, filepath.Join(root, from)))
		}
	}
	return root
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
