package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/testtree"
)

var update = flag.Bool("update", false, "write testdata/sources anew")

// What sources -v says of machines that are kept as trees, and doctor of their counters.
func TestSourcesOfTrees(t *testing.T) {
	for _, name := range []string{"two-sockets", "psys-first", "mmio-dram", "amd", "tpmi", "hwmon-amd", "hwmon-jetson", "odd"} {
		t.Run(name, func(t *testing.T) {
			root := testtree.Write(t, filepath.Join("../../internal/energy/testdata", name+".tree"))
			o := succeed(t, "sources", "-v", "--sysfs", root)
			var got string
			for line := range strings.Lines(strings.ReplaceAll(o.stdout, root, "/sys")) {
				if !strings.HasPrefix(line, "nvml ") { // of this machine, whatever the tree
					got += line
				}
			}
			golden := filepath.Join("testdata/sources", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) { // after a change that is meant: go test ./cmd/eco2-bpf -run SourcesOfTrees -update
				t.Errorf("sources -v says\n%s\nwant\n%s", got, want)
			}
		})
	}
}
