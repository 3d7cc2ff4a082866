package sim

import (
	"slices"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// card is a GPU at work.
type card struct {
	GPUSpec
	last     int64
	joules   float64 // above idle
	contexts []*context
	gone     []*context // since the last edge
}

// context is a process's on a card.
type context struct {
	proc  *process
	index int
	util  float64 // now
	busy  float64 // seconds of all SMs
}

// cardLook is what a look at the cards remembers of the one before.
type cardLook struct {
	at   int64
	busy map[*context]float64
}

// onCard tells whether a job has a context on a card that there is.
func (w *world) onCard(j *Job) bool {
	return j.GPU != nil && j.GPU.Card >= 0 && j.GPU.Card < len(w.cards)
}

func (w *world) addContext(p *process) {
	x := &context{proc: p, index: len(w.contexts)}
	w.contexts = append(w.contexts, x)
	w.settleCard(p.job.GPU.Card)
	w.cards[p.job.GPU.Card].contexts = append(w.cards[p.job.GPU.Card].contexts, x)
	if p.job.GPU.Util > 0 {
		w.toggle(x)
	}
}

// toggle begins or ends a spell of work. That of a context that is closed is on no card.
func (w *world) toggle(x *context) {
	g := x.proc.job.GPU
	w.settleCard(g.Card)
	if x.util > 0 {
		x.util = 0
		w.events.push(event{at: w.now + int64(g.Off), kind: evGPU, arg: x.index})
		return
	}
	x.util = min(g.Util, 1)
	if g.Off > 0 && g.On > 0 {
		w.events.push(event{at: w.now + int64(g.On), kind: evGPU, arg: x.index})
	}
}

// working is how much of the card is asked for: above 1 the contexts take turns.
func (c *card) working() float64 {
	sum := 0.0
	for _, x := range c.contexts {
		sum += x.util
	}
	return sum
}

// settleCard gives what a card has used until now to who worked on it.
func (w *world) settleCard(n int) {
	c := &w.cards[n]
	seconds := float64(w.now-c.last) / 1e9
	c.last = w.now
	scale := 1 / max(c.working(), 1)
	for _, x := range c.contexts {
		busy := x.util * scale * seconds
		x.busy += busy
		joules := busy * (c.FullWatts - c.IdleWatts)
		x.proc.cards[n] += joules
		c.joules += joules
	}
}

// closeContexts of a process that ends.
func (w *world) closeContexts(p *process) {
	if !w.onCard(p.job) {
		return
	}
	w.settleCard(p.job.GPU.Card)
	c := &w.cards[p.job.GPU.Card]
	c.contexts = slices.DeleteFunc(c.contexts, func(x *context) bool {
		if x.proc != p {
			return false
		}
		c.gone = append(c.gone, x)
		return true
	})
}

// lookAtCards shows what NVML does. With gone it shows, too, who ended since the last time.
func (w *world) lookAtCards(l *cardLook, gone bool) []seen.GPU {
	if len(w.cards) == 0 {
		return nil
	}
	seconds := float64(w.now-l.at) / 1e9
	busy := map[*context]float64{}
	out := make([]seen.GPU, len(w.cards))
	for n := range w.cards {
		w.settleCard(n)
		c := &w.cards[n]
		show := func(x *context) {
			util := 0.0
			if seconds > 0 {
				util = 100 * (x.busy - l.busy[x]) / seconds
			}
			out[n].Processes = append(out[n].Processes, seen.GPUProcess{PID: x.proc.pid, SMUtil: util})
			busy[x] = x.busy
		}
		out[n].EnergyMilliJoules = uint64(1000 * (c.joules + c.IdleWatts*float64(w.now)/1e9))
		out[n].PowerMilliWatts = uint64(1000 * (c.IdleWatts + min(c.working(), 1)*(c.FullWatts-c.IdleWatts)))
		for _, x := range c.contexts {
			show(x)
		}
		if gone {
			for _, x := range c.gone {
				show(x)
			}
			c.gone = nil
		}
	}
	l.at, l.busy = w.now, busy
	return out
}
