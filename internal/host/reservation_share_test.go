package host

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// exactCgroup is a cgroup as the truth sees it: parts are fractions, and nothing is rounded.
type exactCgroup struct {
	id        uint64
	weight    int64
	limit     *big.Rat // of the machine; nil: none
	tasks     bool
	below     []*exactCgroup
	populated bool
}

// randomCgroup makes one of at most that depth. Its limits are in millionths, so that they are the same for both.
func randomCgroup(rng *rand.Rand, depth int, next *uint64) *exactCgroup {
	c := &exactCgroup{id: *next, tasks: rng.IntN(3) == 0, weight: []int64{300, 1024, defaultWeight, 26_214_400, 1 + rng.Int64N(1e7)}[rng.IntN(5)]}
	*next++
	if rng.IntN(4) == 0 {
		c.limit = big.NewRat(rng.Int64N(ReservedAll+1), ReservedAll)
	}
	for range rng.IntN(5) {
		if depth > 0 {
			c.below = append(c.below, randomCgroup(rng, depth-1, next))
		}
	}
	c.populated = c.tasks
	for _, b := range c.below {
		c.populated = c.populated || b.populated
	}
	return c
}

// share gives the part to the tasks in c, and to those below.
func (c *exactCgroup) share(part *big.Rat, isRoot bool, into map[uint64]*big.Rat) {
	if c.limit != nil && part.Cmp(c.limit) > 0 && !isRoot {
		part = c.limit
	}
	all := new(big.Rat)
	if c.tasks && !isRoot {
		all.SetInt64(1024 * 100)
	}
	for _, b := range c.below {
		if b.populated {
			all.Add(all, new(big.Rat).SetInt64(b.weight))
		}
	}
	of := func(weight int64) *big.Rat {
		return new(big.Rat).Mul(part, new(big.Rat).Quo(new(big.Rat).SetInt64(weight), all))
	}
	if c.tasks && !isRoot {
		into[c.id] = of(1024 * 100)
	}
	for _, b := range c.below {
		if b.populated {
			b.share(of(b.weight), false, into)
		}
	}
}

// nodes is the list that a walk makes of it: level by level.
func (c *exactCgroup) nodes() []reserving {
	list, trees := []reserving{{path: ".", id: c.id}}, []*exactCgroup{c}
	for i := 0; i < len(trees); i++ {
		for _, b := range trees[i].below {
			limit := uint64(fineAll)
			if b.limit != nil {
				scaled := new(big.Rat).Mul(b.limit, new(big.Rat).SetInt64(fineAll))
				limit = scaled.Num().Uint64()
			}
			list = append(list, reserving{path: "x", id: b.id, parent: i, weight: b.weight, limit: limit, own: b.tasks, populated: b.tasks})
			trees = append(trees, b)
		}
	}
	return list
}

// all are c and those below, whoever they are.
func (c *exactCgroup) all(visit func(*exactCgroup)) {
	visit(c)
	for _, b := range c.below {
		b.all(visit)
	}
}

func partsOf(c *exactCgroup) map[uint64]int64 {
	parts := map[uint64]int64{}
	for _, one := range shareReserved(c.nodes(), nil) {
		parts[one.Cgroup] += one.Parts
	}
	return parts
}

func TestReservedShares(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	several := 0
	for range 1000 {
		next := uint64(1)
		root := randomCgroup(rng, 5, &next)
		want := map[uint64]*big.Rat{}
		if root.populated {
			root.share(big.NewRat(1, 1), true, want)
		}
		got, sum := partsOf(root), int64(0)
		for id, p := range got {
			if sum += p; p <= 0 || want[id] == nil {
				t.Fatalf("%d parts for cgroup %d, want %v", p, id, want[id])
			}
		}
		if sum > ReservedAll {
			t.Fatalf("%d parts of %d", sum, ReservedAll)
		}
		for id, w := range want {
			exact := new(big.Rat).Mul(w, big.NewRat(ReservedAll, 1))
			off := new(big.Rat).Sub(exact, new(big.Rat).SetInt64(got[id]))
			if off.Sign() < 0 || off.Cmp(big.NewRat(1001, 1000)) > 0 {
				t.Fatalf("cgroup %d: %d parts, want %s", id, got[id], exact.FloatString(6))
			}
		}
		if len(want) > 1 {
			several++
		}
		monotone(t, rng, root, int(next), got)
	}
	if several < 300 {
		t.Errorf("only %d of the trees have several cgroups with parts", several)
	}
}

// monotone raises one weight: nobody else gets more, and the one and those below it get no less.
func monotone(t *testing.T, rng *rand.Rand, root *exactCgroup, n int, before map[uint64]int64) {
	t.Helper()
	var chosen *exactCgroup
	id := uint64(1 + rng.IntN(n-1))
	root.all(func(c *exactCgroup) {
		if c.id == id {
			chosen = c
		}
	})
	chosen.weight += 1 + rng.Int64N(chosen.weight)
	inside := map[uint64]bool{}
	chosen.all(func(c *exactCgroup) { inside[c.id] = true })
	for id, after := range partsOf(root) {
		if d := after - before[id]; inside[id] && d < 0 || !inside[id] && d > 0 {
			t.Fatalf("cgroup %d, inside %v: %d parts after %d", id, inside[id], after, before[id])
		}
	}
}
