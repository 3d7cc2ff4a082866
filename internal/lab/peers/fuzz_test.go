package peers

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// source makes numbers of bytes: small ones, and those at the edges of their types.
type source struct {
	data []byte
	n    uint64
}

func (s *source) byte() byte {
	if len(s.data) == 0 {
		s.n = s.n*6364136223846793005 + 1442695040888963407
		return byte(s.n >> 56)
	}
	b := s.data[0]
	s.data = s.data[1:]
	return b
}

func (s *source) number() int64 {
	switch b := s.byte(); {
	case b < 200:
		return int64(b)
	case b < 210:
		return math.MaxInt64
	case b < 220:
		return math.MinInt64
	default:
		var word [8]byte
		for i := range word {
			word[i] = s.byte()
		}
		return int64(binary.LittleEndian.Uint64(word[:]))
	}
}

func (s *source) sample() seen.Sample {
	out := seen.Sample{At: time.Duration(s.number()) * time.Duration(s.number())}
	for range s.byte() % 6 {
		out.Zones = append(out.Zones, uint64(s.number()))
		out.CPUs = append(out.CPUs, seen.CPUTimes{User: s.number(), System: s.number(), Idle: s.number(), Steal: s.number()})
	}
	for range s.byte() % 8 {
		p := seen.Process{PID: int(s.byte() % 8), PPID: int(s.byte() % 8), Start: s.number() % 3, User: s.number(), Sys: s.number(), Resident: s.number()}
		p.Kernel = s.byte()%8 == 0
		out.Processes = append(out.Processes, p)
	}
	for range s.byte() % 3 {
		g := seen.GPU{EnergyMilliJoules: uint64(s.number()), PowerMilliWatts: uint64(s.number())}
		for range s.byte() % 3 {
			utils := []float64{0, 50, 101, -1, math.NaN(), math.Inf(1), math.MaxFloat64, float64(s.number())}
			g.Processes = append(g.Processes, seen.GPUProcess{PID: int(s.byte() % 8), SMUtil: utils[s.byte()%8]})
		}
		out.GPUs = append(out.GPUs, g)
	}
	return out
}

func (s *source) slice() seen.Slice {
	return seen.Slice{CPU: int(s.number()), TID: int(s.byte()), PID: int(s.byte() % 8), Start: time.Duration(s.number()), From: time.Duration(s.number()),
		To: time.Duration(s.number()), Beside: time.Duration(s.number()), Cycles: uint64(s.number()), Misses: uint64(s.number()), Exited: s.byte()%4 == 0}
}

func (s *source) machine() seen.Machine {
	m := seen.Machine{TDPWatts: float64(s.number()), BaseKHz: s.number(), MemoryBytes: s.number()}
	names := []string{"package-0", "package-1-die-0", "dram", "core", "uncore", "psys", "", "-"}
	for range s.byte() % 6 {
		m.CPUs = append(m.CPUs, seen.CPU{Socket: int(s.number() % 3)})
		m.Zones = append(m.Zones, seen.Zone{Name: names[s.byte()%8], Socket: int(s.number() % 3), Range: uint64(s.number())})
	}
	return m
}

// Whatever they read, nobody panics, and no number is negative, infinite or none.
func FuzzPeers(f *testing.F) {
	for i := range byte(16) {
		f.Add([]byte{i, 3, 201, 4, 211, i * 7})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		s := &source{data: data}
		for _, b := range data {
			s.n = s.n*31 + uint64(b)
		}
		m, o := s.machine(), Options{BaseWatts: []float64{float64(s.number()), math.NaN(), math.Inf(1)}}
		if s.byte()%2 == 0 {
			o.Roots = []int{int(s.byte() % 8), int(s.byte() % 8)}
		}
		all := All(m, o)
		for range 6 {
			sample, slice := s.sample(), s.slice()
			for _, p := range all {
				p.Slice(slice)
				p.Slice(slice)
				p.Poll(sample)
			}
		}
		for _, p := range all {
			r := p.Result()
			sound(t, p.Name()+": total", r.Total)
			sound(t, p.Name()+": idle", r.Idle)
			for _, d := range r.Joules {
				sound(t, p.Name(), d)
			}
		}
	})
}

func sound(t *testing.T, what string, d Domains) {
	for name, j := range d {
		if !(j >= 0) || math.IsInf(j, 1) {
			t.Fatalf("%s of %q is %v", what, name, j)
		}
	}
}
