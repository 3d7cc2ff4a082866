package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/ours"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
)

// traits put a machine into groups.
type traits struct {
	hybrid    bool
	shortLife bool // it starts processes of some milliseconds
}

func traitsOf(s *sim.Scenario) traits {
	return traits{len(s.Machine.Cores) > 1, slices.ContainsFunc(s.Jobs, func(j sim.Job) bool { return j.Children != nil })}
}

// subject is a machine of the population, and what our engine sees of one run of it. Its methods are for one goroutine at a time.
type subject struct {
	traits
	options ours.Options // idle power given, nothing weighed
	edges   []sim.Edge
	truth   *score.Truth // of packages
	known   map[attribution.Weights]score.Score
}

// drawnOf are a server and a laptop for each seed.
func drawnOf(first uint64, seeds int) (out []sim.Scenario) {
	for i := range seeds {
		seed := first + uint64(i)
		out = append(out, sim.DrawnServer(seed), sim.DrawnLaptop(seed))
	}
	return out
}

// newSubjects runs each scenario once.
func newSubjects(scenarios []sim.Scenario) []*subject {
	out := make([]*subject, len(scenarios))
	_ = atOnce(len(out), func(i int) error { out[i] = newSubject(&scenarios[i]); return nil })
	return out
}

func newSubject(given *sim.Scenario) *subject {
	s := prepared(*given)
	machine := s.Machine.Seen()
	u := &subject{traits: traitsOf(&s), options: ourTools(machine, baseWatts(&s))[ourGiven], known: map[attribution.Weights]score.Score{}}
	u.options.Machine, u.options.OneFrequency = machine, oneFrequency(&s.Machine)
	truth := s.Run(sim.Observer{Edges: sim.Edges{Every: ours.Every, Skew: ourSkew, Do: func(e sim.Edge) {
		e.Processes = nil // who splits packages looks at nobody
		u.edges = append(u.edges, e)
	}}})
	u.truth = truthOf(&truth, []string{packages}, s.Duration, len(machine.CPUs))
	return u
}

// score is how far our engine is from the truth of packages with such weights.
func (u *subject) score(w attribution.Weights) (score.Score, error) {
	if !u.hybrid {
		w.Hybrid = 0
	}
	if s, ok := u.known[w]; ok {
		return s, nil
	}
	o := u.options
	o.Weights = w
	meter, err := ours.New(o)
	if err != nil {
		return score.Score{}, err
	}
	for i := range u.edges {
		meter.Edge(u.edges[i])
	}
	result, err := meter.Finish()
	if err != nil {
		return score.Score{}, err
	}
	k := result.Kinds[packages]
	if k == nil || result.Off != 0 {
		return score.Score{}, fmt.Errorf("rows are %v J off their energy", result.Off.Joules())
	}
	s := score.Of(u.truth, k.Told(), score.Separate)
	u.known[w] = s
	return s, nil
}

// scores are those of all subjects.
func scores(subjects []*subject, w attribution.Weights) ([]score.Score, error) {
	out := make([]score.Score, len(subjects))
	err := atOnce(len(out), func(i int) (err error) {
		out[i], err = subjects[i].score(w)
		return err
	})
	return out, err
}

// kinds are the subjects' traits.
func kinds(subjects []*subject) (out []traits) {
	for _, u := range subjects {
		out = append(out, u.traits)
	}
	return out
}

// atOnce does things from 0 to n, as many at once as there are CPUs.
func atOnce(n int, do func(i int) error) error {
	errs := make([]error, n)
	next := make(chan int)
	var wait sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for i := range next {
				errs[i] = do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wait.Wait()
	return errors.Join(errs...)
}
