package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOnline(t *testing.T) {
	dir := t.TempDir()
	if WatchOnline(dir).Changed() {
		t.Error("nothing is there, and it changed")
	}
	path := filepath.Join(dir, "devices/system/cpu/online")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("0-3\n")
	o := WatchOnline(dir)
	for i, c := range []struct {
		text string
		want bool
	}{{"0-3\n", false}, {"0-2\n", true}, {"0-2\n", false}, {"0-2,5\n", true}, {"", false}, {"0-2,5\n", false}, {"0\n", true}} {
		write(c.text)
		if got := o.Changed(); got != c.want {
			t.Errorf("%d: %q: changed %v", i, c.text, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { o.Changed() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
