package attribution

import "math"

// Weights say what a second of CPU time counts for when energy is shared by it. The zero value weighs nothing: a second is a second.
type Weights struct {
	// Frequency is the exponent by which power follows frequency: 1 where voltage stays, 3 where it follows too. A second counts
	// (frequency / the highest of the window)^Frequency. 0: not weighed.
	Frequency float64
	// SMT is what a second beside a busy sibling counts, against 1 alone on a core. 0: not weighed.
	SMT float64
	// Hybrid is what a second on an efficiency core counts, against 1 on another. 0: not weighed.
	Hybrid float64
}

// What stands for each where the user names it without a factor. They are learned on machines that were drawn, and shown on others
// (docs/accuracy.md); what fits the one machine is better by far.
const (
	// DefaultFrequency lies between voltage that stays and voltage that follows in proportion: leakage and what CPUs share follow less.
	DefaultFrequency = 1.5
	// DefaultSMT: both threads of a core together use 20 % more than one alone. 10 % by HaPPy (ATC'14), 15 % by METRION (arXiv 2512.06806).
	DefaultSMT = 0.6
	// DefaultHybrid is an efficiency core's power at work, against a performance core's at the same frequency. Parts differ by two either way.
	DefaultHybrid = 0.5
)

// Any tells whether something is weighed.
func (w Weights) Any() bool { return w != Weights{} }

// Of is what a second on a CPU of that frequency and kind counts; highest is the highest frequency of the window. Frequencies are in any one
// unit; 0: not known, and not weighed. It is above 0 and at most 1.
func (w Weights) Of(frequency, highest int64, efficient bool) float64 {
	f := 1.0
	if w.Frequency > 0 && frequency > 0 && highest > frequency {
		f = math.Pow(float64(frequency)/float64(highest), w.Frequency)
	}
	if w.Hybrid > 0 && efficient {
		f *= w.Hybrid
	}
	return max(f, minWeight)
}

// minWeight keeps who ran above nobody.
const minWeight = 1e-3
