package powermodel

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

const (
	maxCurveWatts = 1e6 // more is no machine
	maxSteps      = 1000
	maxSeconds    = 1e6
)

// wholeScopes contain the others, so they stand with none of them; see energy.Domain for all scopes.
var (
	wholeScopes = []string{"psys", "machine", "wall", "server"}
	innerScopes = []string{"package", "core", "uncore", "dram"}
)

// Calibrates tells whether a domain of this scope can be part of a model: one whose power follows the load of CPUs.
func Calibrates(scope string) bool {
	return slices.Contains(wholeScopes, scope) || slices.Contains(innerScopes, scope)
}

// check holds for what is read and for what is written.
func (c Calibration) check() error {
	if len(c.Domains) == 0 {
		return errors.New("no domains")
	}
	if y := c.Created.Year(); y < 1 || y > 9999 {
		return fmt.Errorf("created in the year %d", y)
	}
	p := c.CPU
	for _, n := range []int{p.Family, p.Model, p.Stepping, p.Implementer, p.Part, p.ThreadsPerCore, p.Sockets, p.Threads - 1} {
		if n < 0 || n > maxField {
			return fmt.Errorf("no CPU has a number %d", n)
		}
	}
	if err := c.Ladder.check(); err != nil {
		return err
	}
	for i, d := range c.Domains {
		if err := d.check(); err != nil {
			return fmt.Errorf("domain %d: %w", i, err)
		}
		for _, e := range c.Domains[:i] {
			if overlap(d, e) {
				return fmt.Errorf("domains %s and %s hold the same joules", e.Name, d.Name)
			}
		}
	}
	return nil
}

func (l LadderFacts) check() error {
	if len(l.Steps) > maxSteps {
		return fmt.Errorf("over %d steps", maxSteps)
	}
	for _, s := range l.Steps {
		if s < 0 || s > 100 {
			return fmt.Errorf("a step of %d %%", s)
		}
	}
	for _, t := range []float64{l.HoldSeconds, l.SettleSeconds, l.WindowSeconds} {
		if !(t >= 0 && t <= maxSeconds) {
			return fmt.Errorf("a time of %g s", t)
		}
	}
	return nil
}

func (d CalibratedDomain) check() error {
	switch {
	case d.Name == "":
		return errors.New("no name")
	case !Calibrates(d.Scope):
		return fmt.Errorf("scope %.40q is not one that follows the load of CPUs", d.Scope)
	case d.Threads < 1 || d.Threads > maxField || d.Socket < -1 || d.Socket > maxField || d.Die < -1 || d.Die > maxField || d.Windows < 0:
		return errors.New("a number of threads, socket, die or windows that no machine has")
	}
	for _, c := range []struct {
		name  string
		curve Curve
	}{{"watts", d.Watts}, {"watts_low", d.Low}, {"watts_high", d.High}} {
		for i, w := range c.curve {
			if !(w >= 0 && w <= maxCurveWatts) {
				return fmt.Errorf("%s has %g W", c.name, w)
			}
			if i > 0 && w < c.curve[i-1] {
				return fmt.Errorf("%s falls with the load", c.name)
			}
		}
	}
	for i, w := range d.Watts {
		if w < d.Low[i] || w > d.High[i] {
			return fmt.Errorf("at %d %% the range does not hold the value", 10*i)
		}
	}
	r := d.Residuals
	for _, v := range []float64{r.RungMedian, r.RungP95, r.HeldOutMedian, r.HeldOutP95, r.Hysteresis} {
		if math.Abs(v) > 1e6 || r.HeldOut < 0 {
			return errors.New("residuals that no fit has")
		}
	}
	return nil
}

// overlap tells that two domains would count some joules twice.
func overlap(a, b CalibratedDomain) bool {
	if slices.Contains(wholeScopes, a.Scope) || slices.Contains(wholeScopes, b.Scope) {
		return a.Scope != b.Scope || a.Socket == b.Socket || a.Socket < 0 || b.Socket < 0
	}
	if a.Socket >= 0 && b.Socket >= 0 && a.Socket != b.Socket || a.Die >= 0 && b.Die >= 0 && a.Die != b.Die {
		return false
	}
	return a.Scope == b.Scope || a.Scope == "package" && b.Scope != "dram" || b.Scope == "package" && a.Scope != "dram"
}
