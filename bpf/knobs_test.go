package bpf

import (
	"fmt"
	"testing"
)

// The kernel takes the programs with every combination of what they can be told to do besides.
func TestKnobs(t *testing.T) {
	open(t, Options{}) // or skip
	_, _, siblings := pair(t)
	for i := range 16 {
		var o Options
		if i&1 != 0 {
			o.Siblings = siblings
		}
		if i&2 != 0 {
			o.Counter = faults
		}
		o.Threads = i&4 != 0
		if i&8 != 0 {
			o.CgroupV1, o.Follow, o.Look, o.Events = true, true, true, func(*Event) {}
		}
		t.Run(fmt.Sprintf("%04b", i), func(t *testing.T) {
			if _, err := open(t, o).Drain(nil); err != nil {
				t.Error(err)
			}
		})
	}
}
