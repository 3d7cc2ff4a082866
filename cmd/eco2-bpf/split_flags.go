package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/output"
	"github.com/eco2-bpf/eco2-bpf/internal/recording"
)

// splitFlags say how energy is shared out, and of which rows it is to be told how that was.
type splitFlags struct {
	weighBy   string
	weights   attribution.Weights // by weighBy
	weighAuto bool                // weights are those that the machine can tell of; one that it cannot is not asked for
	explain   []string            // PIDs, names of rows, or kinds of rows
	dramBy    string
	dram      string // by dramBy: engine.Parts.DRAM; empty: auto
}

// Values of --weights that stand alone.
const (
	weightsNone = "none"
	weightsAuto = "auto"
)

// Values of --dram: auto, and engine.DRAMSplits.
const (
	dramAuto         = "auto" // what costs least
	dramResidentTime = "resident_set_cpu_time"
	dramResident     = "resident_set"
	dramMisses       = "cache_misses"
	dramTime         = "cpu_time"
)

// weightsHint is the form of --weights.
const weightsHint = "none, auto, or some of frequency[=EXPONENT],smt[=FACTOR],hybrid[=FACTOR]"

// addSplit adds the flags. Those that are not for a recorder, which shares nothing out, are in notRecorded.
func (s *splitFlags) addSplit(f *pflag.FlagSet) {
	f.StringVar(&s.weighBy, "weights", weightsNone, "what CPU time is weighed by before energy is shared by it: "+weightsHint)
	f.StringVar(&s.dramBy, "dram", dramAuto, "what the energy of measured memory is shared by: auto, "+strings.Join(engine.DRAMSplits, ", "))
	f.StringArrayVar(&s.explain, "explain", nil, "tell how a row came to its joules: a PID, a row's name, or "+strings.Join(explainKinds, ", "))
}

// explainKinds are rows that are no account, by their kinds.
var explainKinds = []string{"idle", "unattributed", "interrupts", "reserved", "others", "overflow", "kernel"}

// checkSplit reads what the flags say.
func (s *splitFlags) checkSplit() (err error) {
	if s.weights, s.weighAuto, err = parseWeights(s.weighBy); err != nil {
		return err
	}
	if s.dram = s.dramBy; s.dram == dramAuto {
		s.dram = ""
	} else if !slices.Contains(engine.DRAMSplits, s.dram) {
		return usagef("--dram %q: one of auto, %s", s.dram, strings.Join(engine.DRAMSplits, ", "))
	}
	if len(s.explain) > 0 {
		s.explain = strings.Split(strings.Join(s.explain, ","), ",")
	}
	for i, name := range s.explain {
		if s.explain[i] = strings.TrimSpace(name); s.explain[i] == "" {
			return usagef("--explain: give a PID, a row's name as it is shown, or one of %s", strings.Join(explainKinds, ", "))
		}
	}
	return nil
}

// parseWeights reads --weights. auto: all with their defaults, as far as the machine tells of them.
func parseWeights(text string) (w attribution.Weights, auto bool, err error) {
	all := attribution.Weights{Frequency: attribution.DefaultFrequency, SMT: attribution.DefaultSMT, Hybrid: attribution.DefaultHybrid}
	switch text {
	case weightsNone:
		return w, false, nil
	case weightsAuto:
		return all, true, nil
	}
	given := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, hasValue := strings.Cut(part, "=")
		if given[name] {
			return w, false, usagef("--weights %q: %s stands twice", text, name)
		}
		given[name] = true
		switch name {
		case "frequency":
			w.Frequency, err = weight(name, value, hasValue, all.Frequency, 0.1, 4)
		case "smt":
			w.SMT, err = weight(name, value, hasValue, all.SMT, minFactor, 1)
		case "hybrid":
			w.Hybrid, err = weight(name, value, hasValue, all.Hybrid, minFactor, 1)
		case weightsNone, weightsAuto:
			return w, false, usagef("--weights %q: give %s alone", text, name)
		default:
			return w, false, usagef("--weights %q: %s", text, weightsHint)
		}
		if err != nil {
			return attribution.Weights{}, false, err
		}
	}
	return w, false, nil
}

// minFactor is the least that a second may count: one that counts for nothing would have no energy.
const minFactor = 0.001

// weight reads the number behind a name; without one it is the default.
func weight(name, value string, hasValue bool, otherwise, low, high float64) (float64, error) {
	if !hasValue {
		return otherwise, nil
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || !(v >= low && v <= high) {
		return 0, usagef("--weights %s=%s: a number from %g to %g, such as %g", name, value, low, high, otherwise)
	}
	return v, nil
}

// checkRecorded refuses what a recording cannot tell of; what auto chose is left out where it cannot.
func (s *splitFlags) checkRecorded(h *recording.Header, idle attribution.IdlePolicy) error {
	for _, c := range []struct {
		weight    *float64
		has       bool
		name, why string
	}{
		{&s.weights.Frequency, h.Frequency != "", "frequency", "the CPUs' frequencies"},
		{&s.weights.SMT, h.Siblings, "smt", "time beside a busy sibling"},
	} {
		switch {
		case *c.weight == 0 || c.has:
		case s.weighAuto:
			*c.weight = 0
		default:
			return notRecordedError("--weights "+c.name, c.why, "--weights "+c.name)
		}
	}
	if s.weights.Hybrid > 0 && !slices.ContainsFunc(h.Topology, func(c host.CPU) bool { return c.Efficient }) {
		if !s.weighAuto {
			return usagef("--weights hybrid: the recorded machine has no efficiency cores, or they were not recorded")
		}
		s.weights.Hybrid = 0
	}
	if idle == attribution.Reservation && !h.Reserved {
		return notRecordedError("--idle reservation", "what cgroups reserve", "--idle reservation")
	}
	return s.dramRecorded(h)
}

// dramRecorded is checkRecorded of --dram. auto is what the recorder would have done; of recordings that lack what that takes, CPU time.
func (s *splitFlags) dramRecorded(h *recording.Header) error {
	auto := s.dram == ""
	if auto {
		s.dram = cmp.Or(h.DRAM, dramResidentTime)
	}
	var has bool
	what := "the memory that processes hold"
	switch s.dram {
	case dramResident: // which tasks tell
		has = engine.Looks(h.Domains, h.DRAM)
	case dramResidentTime:
		has = h.Resident
	case dramMisses:
		has, what = h.Counter != "", "cache misses"
	case dramTime:
		has = true
	}
	switch {
	case has:
		return nil
	case auto:
		s.dram = dramTime
		return nil
	}
	return notRecordedError("--dram "+s.dram, what, "--dram "+s.dram)
}

// notRecordedError says what a recording lacks, and how to make one that does not.
func notRecordedError(flag, what, record string) error {
	return usagef("%s: the recording does not tell of %s; make one that does with: eco2-bpf record %s FILE", flag, what, record)
}

// sayUnexplained names those whose joules were to be explained, and that have no row.
func sayUnexplained(names []string) {
	for _, name := range names {
		say("--explain: no row of the total is called %s; rows are named as the table shows them, or by their PID", output.Clean(name))
	}
}
