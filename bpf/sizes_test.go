package bpf

import (
	"fmt"
	"math/bits"
	"strings"
	"testing"
)

var (
	sizesCPUs = []int{1, 2, 64, 256, 1024, 8192}
	sizesPIDs = []int{32768, 4194304}
)

func powerOfTwo(n int) bool { return n > 0 && bits.OnesCount(uint(n)) == 1 }

// Whatever the machine and the budget: within it, or an error and then not even the least would fit.
func TestSizesFit(t *testing.T) {
	for _, cpus := range sizesCPUs {
		for _, pids := range sizesPIDs {
			least := Sizes{Slots: slotsMin, Spill: spillMin, Followed: followedMin, Ring: ringMin, Ends: endsMin}
			var was Sizes
			for budget := int64(1 << 20); budget <= 1<<30; budget += budget / 16 {
				s, err := SizesFor(budget, cpus, pids)
				at := fmt.Sprintf("%d cpus, %d pids, %d bytes: %+v", cpus, pids, budget, s)
				if err != nil {
					if n := least.Bytes(cpus); n <= budget || !strings.Contains(err.Error(), fmt.Sprint("at least ", n)) {
						t.Errorf("%s: the least takes %d: %v", at, n, err)
					}
					continue
				}
				if s.Bytes(cpus) > budget {
					t.Errorf("%s: take %d", at, s.Bytes(cpus))
				}
				if !powerOfTwo(s.Slots) || !powerOfTwo(s.Ring) || s.Ring < 4096 || !powerOfTwo(s.Ends) || s.Ends < 4096 {
					t.Errorf("%s: not powers of two", at)
				}
				if s.Slots < slotsMin || s.Spill < spillMin || s.Followed < followedMin || s.Followed > pids || s.Spill > pids {
					t.Errorf("%s: out of bounds", at)
				}
				if s.Slots < was.Slots || s.Ring < was.Ring || s.Followed < was.Followed || s.Ends < was.Ends {
					t.Errorf("%s: less than with a smaller budget: %+v", at, was)
				}
				if s.Spill < was.Spill && s.Slots == was.Slots && s.Ring == was.Ring && s.Followed == was.Followed && s.Ends == was.Ends {
					t.Errorf("%s: less spill than with a smaller budget: %+v", at, was)
				}
				was = s
			}
		}
	}
}

// The table for the default budget. 320 and 128 are the sizes of the structs in eco2.h.
func TestSizesOfTables(t *testing.T) {
	for _, cpus := range sizesCPUs {
		for _, pids := range sizesPIDs {
			s, err := SizesFor(DefaultMemory, cpus, pids)
			if err != nil {
				t.Log(err)
				if cpus <= 1024 {
					t.Errorf("the default must do for %d cpus", cpus)
				}
				continue
			}
			t.Logf("%4d cpus, pid_max %7d: %4d slots a CPU, %5d spill, %5d followed, ring %4d KiB, ends %4d KiB: %5.1f MiB",
				cpus, pids, s.Slots, s.Spill, s.Followed, s.Ring>>10, s.Ends>>10, float64(s.Bytes(cpus))/(1<<20))
			if tables := cpus * (320 + 2*128*s.Slots); tables > DefaultMemory {
				t.Errorf("the tables alone take %d", tables)
			}
		}
	}
}
