package host

import "math/bits"

// reserving is a cgroup while parts are given out. All are in a list, in which each comes after its parent.
type reserving struct {
	path      string // from the root
	id        uint64
	parent    int
	weight    int64  // in hundredths of a v1 share
	limit     uint64 // fine parts that a quota leaves
	populated bool   // there are tasks in it or below it
	own       bool   // there are tasks that are in none of those below it
	below     int64  // weight of all that share its part
	part      uint64 // fine parts
}

func (n *reserving) root() bool { return n.path == "." }

// defaultWeight is 1024 shares, or a cpu.weight of 100; also what one task weighs, where it competes with cgroups.
const defaultWeight = 1024 * 100

// finePart is what a part is divided in, so that many small steps of a deep tree lose none.
const (
	fineBits = 32
	fineAll  = ReservedAll << fineBits
)

// shareReserved gives each its part of its parent's, and appends what the tasks of each have. The first of the list is the root.
func shareReserved(nodes []reserving, into []Reservation) []Reservation {
	for i := len(nodes) - 1; i > 0; i-- {
		n := &nodes[i]
		switch {
		case n.below == 0 && !n.populated:
			n.weight = 0
		case n.below == 0:
			n.own = true // whoever is below has vanished, or could not be read
		case n.own:
			n.below += defaultWeight
		}
		nodes[n.parent].below += n.weight
	}
	nodes[0].part = fineAll
	for i := 1; i < len(nodes); i++ {
		n := &nodes[i]
		if n.weight == 0 {
			continue
		}
		up := &nodes[n.parent]
		n.part = min(mulDiv(up.part, n.weight, up.below), n.limit)
		own := n.part
		if n.below > 0 {
			own = mulDiv(n.part, defaultWeight, n.below)
		}
		if own >>= fineBits; n.own && own > 0 {
			into = append(into, Reservation{Cgroup: n.id, Parts: int64(own)})
		}
	}
	return into
}

// limitOf is quota/period CPUs of so many, in fine parts.
func limitOf(quota, period int64, cpus int) uint64 {
	all := period * int64(cpus)
	if quota >= all {
		return fineAll
	}
	return mulDiv(fineAll, quota, all)
}

// mulDiv is a * b/c, rounded down. 0 <= b <= c, and c is above 0.
func mulDiv(a uint64, b, c int64) uint64 {
	hi, lo := bits.Mul64(a, uint64(b))
	q, _ := bits.Div64(hi, lo, uint64(c))
	return q
}
