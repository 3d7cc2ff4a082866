package main

import (
	"slices"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/live"
)

// lawAttach is the program while it measures.
type lawAttach struct{ *live.Attach }

// lawRunAttach starts `eco2-bpf attach` and returns when it has taken its baseline.
func lawRunAttach(t testing.TB, d time.Duration, args ...string) lawAttach {
	t.Helper()
	a, err := live.StartAttach(lawCommand(t), t.TempDir(), append([]string{"-i", "1s", "-d", d.String()}, args...)...)
	lawAble(t, err)
	t.Cleanup(a.Kill)
	return lawAttach{a}
}

// interrupt ends it as Ctrl-C does.
func (a lawAttach) interrupt(t testing.TB) {
	t.Helper()
	if err := a.Interrupt(); err != nil {
		t.Fatal(err)
	}
}

// wait returns the windows and the total, whose laws it has checked: conservation in each, and that the windows are the total.
func (a lawAttach) wait(t testing.TB) (windows []live.Snapshot, total live.Snapshot) {
	t.Helper()
	windows, total, err := a.Wait()
	if err != nil && total.Kind == "" {
		t.Fatal(err)
	}
	lawHolds(t, err)
	return windows, total
}

// lawHolds fails the test, and goes on, if a law does not hold.
func lawHolds(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// lawAddUp checks that the windows are the total: each domain, and each row to the microjoule and the switch.
func lawAddUp(t testing.TB, windows []live.Snapshot, total live.Snapshot) {
	t.Helper()
	lawHolds(t, live.AddUp(windows, total))
}

// lawEnergyAddsUp is that of the domains alone: what is folded away may differ from window to window.
func lawEnergyAddsUp(t testing.TB, windows []live.Snapshot, total live.Snapshot) {
	t.Helper()
	lawHolds(t, live.EnergyAddsUp(windows, total))
}

func lawKind(kinds ...string) func(*live.Row) bool {
	return func(r *live.Row) bool { return slices.Contains(kinds, r.Kind) }
}
