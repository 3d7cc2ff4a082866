package attribution

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

const ms = time.Millisecond

func apply(t *testing.T, in *Input) *Ledger {
	t.Helper()
	var l Ledger
	if err := l.Apply(in); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(in.Domains); err != nil {
		t.Fatal(err)
	}
	return &l
}

func TestSplitByHand(t *testing.T) {
	// Two sockets, three accounts: one on each socket, one on both. Socket 0's kernel total holds 100 ms that nobody has.
	in := Input{
		Rows: 3, Places: 2,
		Time: []time.Duration{300 * ms, 0, 0, 500 * ms, 100 * ms, 500 * ms},
		Busy: []time.Duration{500 * ms, 1000 * ms},
		Domains: []Domain{
			{Energy: 30_000_000, Idle: 10_000_000, Places: []int{0}},
			{Energy: 50_000_000, Idle: 10_000_000, Places: []int{1}},
			{Energy: 16, Idle: 1},
		},
	}
	want := map[IdlePolicy][5][3]units.Microjoules{
		Separate: {{12_000_000, 0, 3}, {0, 20_000_000, 5}, {4_000_000, 20_000_000, 6}, {10_000_000, 10_000_000, 1}, {4_000_000, 0, 1}},
		Active:   {{18_000_000, 0, 3}, {0, 25_000_000, 5}, {6_000_000, 25_000_000, 6}, {0, 0, 0}, {6_000_000, 0, 2}},
		Equal:    {{17_000_000, 0, 4}, {0, 25_000_000, 5}, {9_000_000, 25_000_000, 6}, {0, 0, 0}, {4_000_000, 0, 1}},
	}
	for policy, rows := range want {
		in.Policy = policy
		l := apply(t, &in)
		for r, cells := range rows {
			for d, e := range cells {
				if got := l.Cell(r, d); got != e {
					t.Errorf("%v: row %d domain %d: %d, want %d", policy, r, d, got, e)
				}
			}
		}
	}
}

// What was used before the window is not charged to those who run in it, whatever the policy.
func TestEarlierEnergyIsNobodys(t *testing.T) {
	for _, policy := range []IdlePolicy{Separate, Active, Equal} {
		in := Input{Policy: policy, Rows: 1, Places: 1, Time: []time.Duration{ms}, Busy: []time.Duration{ms}, Domains: []Domain{{Energy: 10, Idle: 3}}}
		want := apply(t, &in).Cell(0, 0)
		in.Domains[0].Energy, in.Domains[0].Earlier = 100, 90
		if l := apply(t, &in); l.Cell(0, 0) != want || l.Cell(l.Unattributed(), 0) != 90 {
			t.Errorf("%v: %v, without earlier energy the account has %v", policy, l.cells, want)
		}
	}
}

// A domain with weights of its own does not look at CPU time, whatever the policy: here each has the other's share of time.
func TestWeightsInPlaceOfTime(t *testing.T) {
	for policy, want := range map[IdlePolicy][5]units.Microjoules{Separate: {20, 0, 40, 32, 20}, Active: {28, 0, 56, 0, 28}, Equal: {36, 0, 56, 0, 20}} {
		l := apply(t, &Input{Policy: policy, Rows: 3, Places: 1, Time: []time.Duration{ms, 5 * ms, 0}, Busy: []time.Duration{20 * ms},
			Domains: []Domain{{Energy: 112, Idle: 32, Weights: []int64{1, 0, 2}, Unclaimed: 1}}})
		for r, e := range want {
			if got := l.Cell(r, 0); got != e {
				t.Errorf("%v: row %d: %d, want %d", policy, r, got, e)
			}
		}
	}
}

func TestNobodyRan(t *testing.T) {
	for _, policy := range []IdlePolicy{Separate, Active, Equal} {
		l := apply(t, &Input{Policy: policy, Rows: 1, Places: 1, Time: make([]time.Duration, 1), Busy: make([]time.Duration, 1),
			Domains: []Domain{{Energy: 7, Idle: 5}}})
		if l.Cell(l.Idle(), 0) != 5 || l.Cell(l.Unattributed(), 0) != 2 {
			t.Errorf("%v: %v", policy, l.cells)
		}
	}
}

func TestOnlyTheOverflowRowRan(t *testing.T) {
	l := apply(t, &Input{Policy: Equal, Rows: 1, Places: 1, Time: []time.Duration{ms}, Busy: []time.Duration{ms},
		Shared: []bool{true}, Domains: []Domain{{Energy: 7, Idle: 5}}})
	if l.Cell(l.Idle(), 0) != 5 || l.Cell(0, 0) != 2 {
		t.Errorf("idle energy went to a row that is no account: %v", l.cells)
	}
}

func TestMissedTimeInflatesNobody(t *testing.T) {
	in := Input{Rows: 1, Places: 1, Time: []time.Duration{500 * ms}, Busy: []time.Duration{500 * ms}, Domains: []Domain{{Energy: 10_000_000}}}
	alone := apply(t, &in).Cell(0, 0)
	in.Busy[0], in.Domains[0].Energy = 1000*ms, 20_000_000 // as much again that was not seen
	if got := apply(t, &in).Cell(0, 0); got != alone {
		t.Errorf("an account got %v J, and %v J beside time that nobody saw", alone, got)
	}
}

// randomInput makes a window of any shape: zeros, huge values, overlapping domains' places, unseen time, more seen than busy.
func randomInput(r *rand.Rand) *Input {
	in := &Input{Policy: IdlePolicy(r.IntN(4)), Rows: r.IntN(40), Places: r.IntN(4) + 1}
	scale := time.Duration(1) << r.IntN(52)
	for range in.Rows * in.Places {
		in.Time = append(in.Time, time.Duration(r.Int64N(int64(scale)))*time.Duration(r.IntN(2)))
	}
	for range in.Places {
		in.Busy = append(in.Busy, time.Duration(r.Int64N(int64(scale)*10)))
	}
	if r.IntN(2) == 0 {
		in.All = r.Int64N(1e6) + 1
		left := in.All
		for range in.Rows {
			part := r.Int64N(left+1) * r.Int64N(2)
			in.Reserved = append(in.Reserved, part)
			left -= part
		}
	}
	for range r.IntN(5) {
		d := Domain{Energy: units.Microjoules(r.Int64N(1 << r.IntN(55)))}
		d.Idle = units.Microjoules(r.Int64N(int64(d.Energy) + 1))
		d.Earlier = units.Microjoules(r.Int64N(int64(d.Energy-d.Idle)+1)) * units.Microjoules(r.IntN(2))
		if r.IntN(2) == 0 {
			for p := range in.Places {
				if r.IntN(2) == 0 {
					d.Places = append(d.Places, p)
				}
			}
		}
		if r.IntN(3) == 0 {
			d.Unclaimed = r.Int64N(1 << r.IntN(55))
			d.Weights = make([]int64, in.Rows)
			for i := range d.Weights {
				d.Weights[i] = r.Int64N(1<<r.IntN(55)) * r.Int64N(2)
			}
		}
		if r.IntN(2) == 0 {
			d.Range = Range{EnergyLow: d.Energy / 2, EnergyHigh: d.Energy * 2, IdleLow: d.Idle / 3, IdleHigh: d.Idle * 3, Together: r.IntN(2) == 0, Odds: 1 + 3*r.Float64(), Brief: 10 * r.Float64(), Full: r.Int64N(1e10)}
		}
		in.Domains = append(in.Domains, d)
	}
	return in
}

// checkBounds holds every cell against its bounds, by all causes and by each alone.
func checkBounds(t *testing.T, l *Ledger, domains int) {
	t.Helper()
	for d := range domains {
		is := func(what string, row int, cell, low, high units.Microjoules) {
			if low < 0 || low > cell || high < cell {
				t.Fatalf("domain %d row %d: %v J are not within %v to %v (%s)", d, row, cell, low, high, what)
			}
		}
		for r := range l.rows {
			cell := l.Cell(r, d)
			low, high := l.Bounds(d, l.Part(r, d))
			is("all", r, cell, low, high)
			for c := range Causes {
				lo, hi := l.BoundsBy(c, d, l.Part(r, d))
				is("one cause", r, cell, lo, hi)
			}
			if term := l.Term(r, d); term.AllWeights > 0 {
				exact := float64(term.Shared) * float64(term.Weight) / float64(term.AllWeights)
				if diff := float64(term.Part) - exact; diff > 1.001+exact*1e-12 || diff < -1.001-exact*1e-12 {
					t.Fatalf("domain %d row %d: %+v is not its share, %f", d, r, term, exact)
				}
			}
		}
		low, high := l.IdleBounds(d)
		is("idle", l.Idle(), l.Cell(l.Idle(), d), low, high)
		low, high = l.UnattributedBounds(d)
		is("unattributed", l.Unattributed(), l.Cell(l.Unattributed(), d), low, high)
	}
}

func TestLawHoldsForAnyWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var l Ledger
	for i := range 20000 {
		in := randomInput(r)
		if err := l.Apply(in); err != nil {
			t.Fatalf("window %d: %v", i, err)
		}
		if err := l.Check(in.Domains); err != nil {
			t.Fatalf("window %d (%+v): %v", i, in, err)
		}
		checkBounds(t, &l, len(in.Domains))
	}
}

// Each row's part of the active energy is within a microjoule of the exact share: rounding favours nobody.
func TestRoundingIsWithinOneMicrojoule(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		n := r.IntN(200) + 1
		in := Input{Rows: n, Places: 1, Busy: []time.Duration{0}, Domains: []Domain{{Energy: units.Microjoules(r.Int64N(1e9))}}}
		var sum time.Duration
		for range n {
			d := time.Duration(r.Int64N(1e9))
			in.Time, sum = append(in.Time, d), sum+d
		}
		l := apply(t, &in)
		for i, d := range in.Time {
			exact := float64(in.Domains[0].Energy) * float64(d) / float64(sum)
			if diff := float64(l.Cell(i, 0)) - exact; diff > 1.001 || diff < -1.001 {
				t.Fatalf("row %d: %d, exact %f", i, l.Cell(i, 0), exact)
			}
		}
	}
}

func TestRefusesWhatIsNoWindow(t *testing.T) {
	for name, in := range map[string]Input{
		"idle above energy":             {Domains: []Domain{{Energy: 1, Idle: 2}}},
		"earlier and idle above energy": {Domains: []Domain{{Energy: 9, Idle: 5, Earlier: 5}}},
		"negative earlier energy":       {Domains: []Domain{{Energy: 9, Earlier: -1}}},
		"negative energy":               {Domains: []Domain{{Energy: -1, Idle: -1}}},
		"negative time":                 {Rows: 1, Places: 1, Time: []time.Duration{-1}, Busy: make([]time.Duration, 1)},
		"times missing":                 {Rows: 2, Places: 1, Time: make([]time.Duration, 1), Busy: make([]time.Duration, 1)},
		"unknown place":                 {Places: 1, Busy: make([]time.Duration, 1), Domains: []Domain{{Places: []int{1}}}},
		"a place twice":                 {Places: 1, Busy: make([]time.Duration, 1), Domains: []Domain{{Places: []int{0, 0}}}},
		"weights missing":               {Rows: 1, Places: 1, Time: make([]time.Duration, 1), Busy: make([]time.Duration, 1), Domains: []Domain{{Weights: []int64{}}}},
		"negative weight":               {Rows: 1, Places: 1, Time: make([]time.Duration, 1), Busy: make([]time.Duration, 1), Domains: []Domain{{Weights: []int64{-1}}}},
		"overflowing weights":           {Rows: 1, Places: 1, Time: make([]time.Duration, 1), Busy: make([]time.Duration, 1), Domains: []Domain{{Weights: []int64{1 << 62}, Unclaimed: 1 << 62}}},
		"negative unclaimed weight":     {Domains: []Domain{{Weights: []int64{}, Unclaimed: -1}}},
		"unclaimed weight alone":        {Domains: []Domain{{Unclaimed: 1}}},
		"unknown policy":                {Policy: 9},
		"reservations missing":          {Rows: 1, Time: []time.Duration{}, Reserved: []int64{}, All: 1},
		"reservations of nothing":       {Reserved: []int64{}},
		"too much is reserved":          {Rows: 2, Time: []time.Duration{}, Reserved: []int64{1, math.MaxInt64}, All: math.MaxInt64},
		"a negative reservation":        {Rows: 1, Time: []time.Duration{}, Reserved: []int64{-1}, All: 1},
		"odds below one":                {Domains: []Domain{{Range: Range{Odds: 0.5}}}},
		"odds that are no number":       {Domains: []Domain{{Range: Range{Odds: math.NaN()}}}},
		"brief rows' odds no number":    {Domains: []Domain{{Range: Range{Odds: 1, Brief: math.Inf(1)}}}},
		"bounds the wrong way round":    {Domains: []Domain{{Range: Range{EnergyLow: 2, EnergyHigh: 1, Odds: 1}}}},
		"overflowing time":              {Rows: 2, Places: 1, Time: []time.Duration{1 << 61, 1 << 61}, Busy: make([]time.Duration, 1)},
	} {
		var l Ledger
		if err := l.Apply(&in); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestReconcilerCarriesDebt(t *testing.T) {
	var r Reconciler
	if got := r.Busy(0, 990*ms, 1000*ms); got != 1000*ms {
		t.Errorf("denominator %v is below what was seen", got)
	}
	if got := r.Busy(0, 1010*ms, 1000*ms); got != 1000*ms {
		t.Errorf("the noise of an edge became unattributed: %v", got)
	}
	if got := r.Busy(0, 1200*ms, 1000*ms); got != 1200*ms {
		t.Errorf("unseen time is not in the denominator: %v", got)
	}
	// A total that is always far too low leaves a bounded debt.
	for range 100 {
		r.Busy(0, 0, 1000*ms)
	}
	if got := r.Busy(0, 2000*ms, 1000*ms); got != 1900*ms {
		t.Errorf("an old debt hides a new loss: %v", got)
	}
}

// Any numbers at all: a window is refused and the ledger then holds nothing, or its law holds.
func FuzzApply(f *testing.F) {
	number := func(v ...int64) (b []byte) {
		for _, v := range v {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
		return b
	}
	f.Add(byte(0), byte(1), byte(1), byte(1), number(5, 7, 10, 3, 0, 1))
	f.Add(byte(1), byte(2), byte(2), byte(2), number(5, 7, 1<<40, 3, 9, 9, 1<<50, 1<<49, 1<<48, 3, 1000, 10, 0, 2))
	f.Add(byte(2), byte(1), byte(1), byte(1), number(-5, 7, 10, 30, -1, 1))
	f.Fuzz(func(t *testing.T, policy, rows, places, domains byte, data []byte) {
		next := func() (v int64) {
			if len(data) >= 8 {
				v, data = int64(binary.LittleEndian.Uint64(data)), data[8:]
			}
			return v
		}
		in := &Input{Policy: IdlePolicy(policy % 5), Rows: int(rows % 8), Places: int(places % 4)}
		for range in.Rows * in.Places {
			in.Time = append(in.Time, time.Duration(next()))
		}
		for range in.Places {
			in.Busy = append(in.Busy, time.Duration(next()))
		}
		if all := next(); all != 0 {
			in.All = all
			for range in.Rows {
				in.Reserved = append(in.Reserved, next())
			}
		}
		for range domains % 4 {
			d := Domain{Energy: units.Microjoules(next()), Idle: units.Microjoules(next()), Earlier: units.Microjoules(next())}
			if w := next(); w%2 == 0 && w != 0 {
				d.Unclaimed = next()
				for range in.Rows {
					d.Weights = append(d.Weights, next())
				}
			}
			if odds := next(); odds != 0 {
				d.Range = Range{
					EnergyLow: units.Microjoules(next()), EnergyHigh: units.Microjoules(next()), IdleLow: units.Microjoules(next()), IdleHigh: units.Microjoules(next()),
					Odds: math.Float64frombits(uint64(odds)), Brief: math.Float64frombits(uint64(next())), Full: next(),
				}
			}
			for p := next(); p > 0; p >>= 2 {
				d.Places = append(d.Places, int(p%4))
			}
			in.Domains = append(in.Domains, d)
		}
		l := Ledger{rows: 3, domains: 3}
		if err := l.Apply(in); err != nil {
			if l.rows != 0 || l.domains != 0 {
				t.Fatalf("refused (%v), and yet it holds %d rows", err, l.rows)
			}
			return
		}
		if err := l.Check(in.Domains); err != nil {
			t.Fatalf("%+v: %v", in, err)
		}
		checkBounds(t, &l, len(in.Domains))
	})
}

func BenchmarkApply10kRows4Domains(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 6))
	in := Input{Rows: 10000, Places: 2, Busy: []time.Duration{time.Hour, time.Hour}}
	for range in.Rows * in.Places {
		in.Time = append(in.Time, time.Duration(r.Int64N(int64(ms))))
	}
	for d := range 4 {
		in.Domains = append(in.Domains, Domain{Energy: 40_000_000, Idle: 20_000_000, Places: [][]int{nil, {0}, {1}, nil}[d], Range: Range{
			EnergyLow: 39_900_000, EnergyHigh: 40_100_000, IdleLow: 19_000_000, IdleHigh: 21_000_000, Odds: 2, Brief: 8, Full: int64(ms),
		}})
	}
	var l Ledger
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Apply(&in); err != nil {
			b.Fatal(err)
		}
		for r := range in.Rows {
			for d := range in.Domains {
				low, high := l.Bounds(d, l.Part(r, d))
				sink += high - low
			}
		}
	}
}

var sink units.Microjoules
