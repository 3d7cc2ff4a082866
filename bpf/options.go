package bpf

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
)

// pidMaxDefault is the kernel's own: PID_MAX_DEFAULT in include/linux/threads.h.
const pidMaxDefault = 32768

// sizes are those the caller asked for, and for the others what fits the machine and the budget.
func (o *Options) sizes(ncpu int) (Sizes, error) {
	s, err := SizesFor(cmp.Or(o.Memory, DefaultMemory), ncpu, cmp.Or(o.PIDMax, pidMaxDefault))
	if err != nil {
		return s, err
	}
	if o.Slots > 0 {
		for s.Slots = 1; s.Slots < o.Slots; {
			s.Slots <<= 1
		}
	}
	s.Spill, s.Followed = cmp.Or(o.Spill, s.Spill), cmp.Or(o.Followed, s.Followed)
	s.Ring, s.Ends = cmp.Or(o.Ring, s.Ring), cmp.Or(o.Ends, s.Ends)
	if !o.Follow {
		s.Followed = 1
	}
	if o.Events == nil {
		s.Ring = ringMin
	}
	if !o.Look {
		s.Ends = 0
	}
	return s, nil
}

// spec sets knobs and table sizes in the compiled objects, and leaves out the programs that are not asked for.
func (o *Options) spec(s Sizes, ncpu int) (*ebpf.CollectionSpec, error) {
	spec, err := loadEco2()
	if err != nil {
		return nil, fmt.Errorf("read the embedded programs: %w", err)
	}
	spec.Maps[eco2MapCpus].MaxEntries = uint32(ncpu)
	spec.Maps[eco2MapCpus].ValueSize = uint32(tableSize(s.Slots))
	spec.Maps[eco2MapSpillEven].MaxEntries = uint32(s.Spill)
	spec.Maps[eco2MapSpillOdd].MaxEntries = uint32(s.Spill)
	spec.Maps[eco2MapFollowed].MaxEntries = uint32(s.Followed)
	spec.Maps[eco2MapEvents].MaxEntries = uint32(s.Ring)
	if o.Look {
		spec.Maps[eco2MapEnds].MaxEntries = uint32(s.Ends)
	} else {
		delete(spec.Maps, eco2MapEnds)
		delete(spec.Programs, eco2ProgLookAtTasks)
		delete(spec.Programs, eco2ProgTellEnd)
	}
	if o.Counter != nil {
		spec.Maps[eco2MapCounters].MaxEntries = uint32(ncpu)
	}
	smt := slices.ContainsFunc(o.Siblings, func(cpu int) bool { return cpu >= 0 })
	if smt || o.Counter != nil {
		delete(spec.Programs, eco2ProgSchedSwitch)
	} else {
		delete(spec.Programs, eco2ProgCostlySwitch)
	}
	tell := o.Events != nil
	if !tell {
		for _, name := range []string{eco2ProgSchedProcessExec, eco2ProgTaskRename, eco2ProgCgroupMkdir, eco2ProgCgroupRename, eco2ProgCgroupRmdir, eco2ProgFindTasks} {
			delete(spec.Programs, name)
		}
	}
	if !tell && !o.Follow {
		delete(spec.Programs, eco2ProgSchedProcessFork)
		delete(spec.Programs, eco2ProgSchedProcessExit)
	}
	knobs := map[string]any{
		eco2VarSlotMask: uint32(s.Slots - 1), eco2VarCgroupV1: o.CgroupV1, eco2VarFollow: o.Follow, eco2VarThreads: o.Threads,
		eco2VarTell: tell, eco2VarHierarchy: int32(o.Hierarchy), eco2VarRingHalf: uint32(s.Ring / 2),
		eco2VarSmt: smt, eco2VarCountEvents: o.Counter != nil,
	}
	for name, v := range knobs {
		if err := spec.Variables[name].Set(v); err != nil {
			return nil, fmt.Errorf("set knob %s: %w", name, err)
		}
	}
	return spec, nil
}
