package live

import (
	"crypto/sha256"
	"math"
	"runtime"
	"time"
)

// CoRun is what a fixed amount of work is said to use alone, and with something beside it.
type CoRun struct {
	Work   string
	Phases []Phase // the first is that alone
}

// Phase is one run of the work.
type Phase struct {
	Beside string // empty: nothing
	// CPUSeconds is the work's own time by the kernel's count: caches and frequencies are shared, so it may take longer beside others.
	CPUSeconds float64
	Report     Report
}

// Ratio is a tool's energy of the work in a phase against that alone, each by the CPU time that it took. Beside others the same work is the same
// energy, so it is 1 by a linear law. NaN: it told nothing, or nothing alone. domain is package or dram.
func (c *CoRun) Ratio(phase int, tool, domain string) float64 {
	told := func(p *Phase) float64 {
		for _, t := range p.Report.Laws[0].Tools {
			for _, j := range t.Told {
				if t.Name == tool && j.Job == workName && j.Domain == domain && !j.Ended {
					return j.Joules / p.CPUSeconds
				}
			}
		}
		return math.NaN()
	}
	alone := told(&c.Phases[0])
	if alone == 0 {
		return math.NaN()
	}
	return told(&c.Phases[phase]) / alone
}

// workName is the job whose energy is compared.
const workName = "hash"

// RunBeside measures work that takes some time of a CPU (Options.Load) alone, and beside each of some kinds of load.
// Where it cannot be done here the error is ErrUnable.
func RunBeside(o Options, kinds ...string) (CoRun, error) {
	o.defaults()
	blocks := blocksIn(o.Load)
	c := CoRun{Work: "SHA-256 of a fixed number of blocks"}
	for _, beside := range append([]string{""}, kinds...) {
		jobs := []Job{{Name: workName, Kind: Hash, Factor: 1, work: Work{Blocks: blocks}}}
		if beside != "" {
			jobs = append(jobs, Job{Name: beside, Kind: beside, Factor: 1, work: Work{For: time.Minute}, beside: true})
		}
		m := lawOf("linear", "20 W + 10 W for each busy CPU")
		r, err := o.experiment([]*machine{m}, jobs)
		if err != nil {
			return c, err
		}
		t := m.ours[0].total
		c.Phases = append(c.Phases, Phase{Beside: beside, CPUSeconds: m.Used(0, t.Start, t.End).Seconds(), Report: r})
	}
	return c, nil
}

// blocksIn is how many blocks are hashed in so much CPU time, here and now.
func blocksIn(d time.Duration) int {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const blocks = 400
	block, began := make([]byte, hashBlock), threadTime()
	for range blocks {
		sum := sha256.Sum256(block)
		copy(block, sum[:])
	}
	return int(float64(d) / float64(max(threadTime()-began, time.Microsecond)) * blocks)
}
