package live

import (
	"math"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
)

// Report is what everybody told of one run.
type Report struct {
	CPUs   int
	Kernel string
	Laws   []LawReport
}

// LawReport is what they told of the machine with one law.
type LawReport struct {
	Name, Words string
	// Updates is how often the counters stepped, in a second, and MaxGap the longest time that they stood still: the skew of the truth.
	Updates float64
	MaxGap  time.Duration
	// Busy is the mean number of busy CPUs in the whole run, and Quiet that before the loads.
	Busy, Quiet float64
	Tools       []Tool
}

// Tool is one who told.
type Tool struct {
	Name, Words string
	Ours        bool
	Seconds     float64 // from its first look to its last: what its numbers are of
	// Policy says whose idle energy the truth takes it to be: of those that there are the one that is kindest to the tool. Ours: as it was told.
	Policy score.Policy
	Told   []Told
	// Floor is the idle power of the package that ours took off, and how it knew that.
	Floor string
	// Counted is what the counters said in its time, and Total what it tells that the machine used, of the domains that it tells of, in joules.
	Counted, Total float64
	// Breach is how far ours is from conserving energy; nil: to the microjoule.
	Breach error
	Cost   Cost
}

// Told is what it told of a job's energy in a domain.
type Told struct {
	Job    string
	Domain string // package, dram
	// Ended: these are the job's processes that ended while it ran, not those that were there from its start to its end.
	Ended  bool
	Truth  float64 // joules
	Joules float64
	// Ranged: it says that the truth is from Low to High.
	Ranged    bool
	Low, High float64
}

// Error is its relative error: 0.1 is a tenth too much. NaN where there is no truth to speak of.
func (t *Told) Error() float64 {
	if t.Truth < minTruth {
		return math.NaN()
	}
	return t.Joules/t.Truth - 1
}

// minTruth is the least energy, in joules, of which a relative error says something.
const minTruth = 0.1

// Covered counts the truths that lie in the range that it told, of those that it told one of.
func (t *Tool) Covered() (in, of int) {
	for i := range t.Told {
		if told := &t.Told[i]; told.Ranged {
			of++
			if told.Low <= told.Truth && told.Truth <= told.High {
				in++
			}
		}
	}
	return in, of
}

// Cost is what telling took.
type Cost struct {
	Looks int     // windows, or reads of /proc
	CPU   float64 // seconds of its own CPU time for all of them; ours: in user space
	Files int64   // read in /proc and sysfs, for all of them; ours: not counted
}

// PerLook is the CPU time of one look, in seconds.
func (c Cost) PerLook() float64 { return c.CPU / float64(max(1, c.Looks)) }

// Worst is the largest relative error of a tool's jobs in a domain, without the sign. NaN: it told nothing of it.
func (t *Tool) Worst(domain string) float64 { return score.Quantile(errorsOf(t.Told, domain), 1) }

// Median is the relative error in the middle.
func (t *Tool) Median(domain string) float64 { return score.Quantile(errorsOf(t.Told, domain), 0.5) }

func errorsOf(told []Told, domain string) (all []float64) {
	for i := range told {
		if e := math.Abs(told[i].Error()); told[i].Domain == domain && !told[i].Ended && !math.IsNaN(e) {
			all = append(all, e)
		}
	}
	return all
}
