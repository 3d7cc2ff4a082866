package attribution

import (
	"fmt"
	"slices"
	"strings"
)

// IdlePolicy says who pays for the energy that a domain would have used with nothing to do.
type IdlePolicy int

const (
	// Separate gives idle energy a row of its own.
	Separate IdlePolicy = iota
	// Active gives it to those who ran, by their share of busy time.
	Active
	// Equal gives every account that ran on the domain's CPUs the same part.
	Equal
	// Reservation gives it to those who have reserved parts of the machine, whether they ran or not; what nobody has reserved stays idle.
	Reservation
)

// IdlePolicies are the names of all, in their order.
var IdlePolicies = []string{Separate: "separate", Active: "active", Equal: "equal", Reservation: "reservation"}

// ParseIdlePolicy reads the name of a policy.
func ParseIdlePolicy(name string) (IdlePolicy, error) {
	if p := slices.Index(IdlePolicies, name); p >= 0 {
		return IdlePolicy(p), nil
	}
	return 0, fmt.Errorf("unknown idle policy %q: one of %s", name, strings.Join(IdlePolicies, ", "))
}

func (p IdlePolicy) String() string { return IdlePolicies[p] }
