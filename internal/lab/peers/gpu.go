package peers

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// gpu is the domain of all cards together: none of them tells joules of a process by card.
const gpu = "gpu"

// boards are NVML's energy counters as they were read last.
type boards struct{ last []uint64 }

// step gives joules by card since the last read; nil at the first, 0 for a card that is new or whose counter went back.
func (b *boards) step(cards []seen.GPU) []float64 {
	before := b.last
	b.last = make([]uint64, len(cards))
	for i := range cards {
		b.last[i] = cards[i].EnergyMilliJoules
	}
	if before == nil {
		return nil
	}
	steps := make([]float64, len(cards))
	for i := range min(len(cards), len(before)) {
		if now := b.last[i]; now > before[i] {
			steps[i] = float64(now-before[i]) / 1e3
		}
	}
	return steps
}

func sum(xs []float64) float64 {
	all := 0.0
	for _, x := range xs {
		all += x
	}
	return all
}

// watts is what all cards draw at the moment of the read.
func watts(cards []seen.GPU) float64 {
	all := 0.0
	for i := range cards {
		all += float64(cards[i].PowerMilliWatts) / 1e3
	}
	return all
}

// utilisation is by pid the part of the card's work; where it does not tell any, equal parts.
func utilisation(card *seen.GPU) map[int]float64 {
	by, all := map[int]float64{}, 0.0
	for _, p := range card.Processes {
		by[p.PID] = max(by[p.PID], positive(p.SMUtil))
	}
	for _, u := range by {
		all += u
	}
	for pid := range by {
		if all > 0 {
			by[pid] = by[pid] / all
		} else {
			by[pid] = 1 / float64(len(by))
		}
	}
	return by
}

// keplerCards is the GPU split of Kepler 0.10 and later for cards that processes share by time (internal/device/gpu/nvidia): the power of the
// moment, less the lowest that was seen with no process on the card, by SM utilisation, times the interval.
type keplerCards struct {
	boards
	idle map[int]float64 // watts by card; none until it was seen without a process
}

// step gives a card's active energy to processes that were there at the last scan, too: their pids are in there.
func (c *keplerCards) step(l *ledger, s *seen.Sample, since time.Duration, there map[int]float64) {
	if c.idle == nil {
		c.idle = map[int]float64{}
	}
	keys := make(map[int]Key)
	if len(s.GPUs) > 0 {
		for i := range s.Processes {
			if p := &s.Processes[i]; hasPID(there, p.PID) {
				keys[p.PID] = keyOf(p)
			}
		}
	}
	joules := c.boards.step(s.GPUs)
	for i := range s.GPUs {
		card := &s.GPUs[i]
		power := float64(card.PowerMilliWatts) / 1e3
		if least, known := c.idle[i]; len(card.Processes) == 0 && (!known || power < least) {
			c.idle[i] = power
		}
		active := positive(power - c.idle[i])
		if joules == nil {
			continue
		}
		l.total[gpu] += joules[i]
		l.idle[gpu] += joules[i] * (1 - share(active, power))
		for pid, part := range utilisation(card) {
			if k, ok := keys[pid]; ok {
				l.add(k, gpu, active*part*since.Seconds())
			}
		}
	}
}

func hasPID(known map[int]float64, pid int) bool {
	_, ok := known[pid]
	return ok
}
