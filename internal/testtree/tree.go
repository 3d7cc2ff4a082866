// Package testtree writes trees of files that tests keep as text. The form is in internal/energy/testdata/README.md.
package testtree

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Write writes the tree of a file under a temporary folder and returns that.
func Write(t testing.TB, file string) string {
	t.Helper()
	text, err := os.Open(file)
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
	s := bufio.NewScanner(text)
	for s.Scan() {
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
	check(s.Err())
	return root
}
