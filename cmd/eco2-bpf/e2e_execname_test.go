package main

import "testing"

// TestRunNamesShortLives: a process that lives for a millisecond has its own name, not that of the parent it was forked from (law 2).
// A few may be caught in the middle of exec and nowhere else.
func TestRunNamesShortLives(t *testing.T) {
	e2eNeedKernel(t)
	o := succeed(t, "run", "-o", "json", "--by", "command", "--", "sh", "-c", "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done")
	total := onlyTotal(t, o.stderr)
	named := total.row(func(r *wireRow) bool { return r.Comm == "true" })
	if named == nil || named.Processes < total.ProcessesSeen-3 {
		t.Errorf("want all of %d but their shell to be called true: %+v", total.ProcessesSeen, named)
	}
}
