package energy

import (
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Much is read for an edge after it was stamped, and meanwhile a reading between edges may come that is newer than the edge. The stretch between the two
// is counted once: at a steady power, all that was counted is that power times the time up to the newest reading.
func TestEdgeOlderThanTheLastReading(t *testing.T) {
	for _, late := range []time.Duration{slack, 20 * time.Millisecond, 900 * time.Millisecond} {
		g, _, err := openHwmon(tree(t, "hwmon-acpi"), kernelFiles)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		var since time.Duration
		g.tick, g.since = 0, func(time.Time) time.Duration { return since } // the test calls between
		out := make([]Sample, len(g.domains))
		g.Read(Edge{}, out)
		watts := g.channels[0].gauge.watts
		for i := 1; i <= 50; i++ {
			at := time.Duration(i) * time.Second
			since = time.Second + late
			g.between()
			since = 0
			g.Read(Edge{Time: at}, out)
			if law := watts.Over(at + late); out[0].Mark != "" || out[0].Span != time.Second && i > 1 || out[0].Energy < law-1 || out[0].Energy > law {
				t.Fatalf("%v late, at %v: %+v, want %d uJ", late, at, out[0], law)
			}
		}
	}
}

// What a gauge is told, and what comes of it.
func TestGaugeTimeGoesBack(t *testing.T) {
	const s = time.Second
	type reading struct {
		at, slept time.Duration
		watts     units.Watts
		total     units.Microjoules
		mark      string
	}
	for name, readings := range map[string][]reading{
		"a little":                {{10 * s, 0, 4, 0, ""}, {10*s - 20*time.Millisecond, 0, 800, 0, ""}, {11 * s, 0, 4, 4e6, ""}},
		"by a second":             {{10 * s, 0, 4, 0, ""}, {9 * s, 0, 800, 0, ""}, {11 * s, 0, 4, 4e6, ""}},
		"far":                     {{10 * s, 0, 4, 0, ""}, {5 * s, 0, 6, 0, "time went backwards: new baseline"}, {6 * s, 0, 6, 6e6, ""}},
		"a little, after a sleep": {{10 * s, 0, 4, 0, ""}, {10*s - 20*time.Millisecond, time.Hour, 6, 0, "the machine slept 3600 s"}, {11 * s, 0, 6, 6e6, ""}},
	} {
		g := gauge{most: 1000}
		for i, r := range readings {
			g.add(r.watts, moment{at: r.at, slept: r.slept})
			got := g.sample(r.at)
			if got.Energy != r.total || (r.mark == "") != (got.Mark == "") || !strings.Contains(got.Mark, r.mark) {
				t.Errorf("%s, reading %d: %+v, want %d uJ, %q", name, i, got, r.total, r.mark)
			}
		}
	}
}
