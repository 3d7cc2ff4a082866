package testdocker

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Load builds the program of testdata/load without cgo, so that it runs in an image without libraries, and returns its path.
func Load(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "load")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, "github.com/eco2-bpf/eco2-bpf/internal/testdocker/testdata/load")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return path
}
