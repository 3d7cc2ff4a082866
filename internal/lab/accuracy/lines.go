package main

import (
	"slices"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/ours"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/peers"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
)

// addOurs scores what our engine said.
func (r *Report) addOurs(name string, result *ours.Result, truths map[string]*score.Truth) {
	for _, kind := range []string{packages, memory, cards, wholeRows} {
		k, t := result.Kinds[kind], truths[kind]
		if kind == wholeRows {
			k = &result.Rows
		}
		if k == nil || t == nil {
			continue
		}
		l := Line{Tool: name, Ours: true, Kind: kind, Energy: kind, Every: time.Second, PerWindow: time.Duration(result.CPU.Seconds() / r.Seconds * 1e9)}
		told := k.Told()
		policy := score.Separate
		if name == ourShared {
			policy = score.Sockets
		}
		l.Score = score.Of(t, told, policy)
		l.Bounds = bounds(t, told, policy)
		r.Lines = append(r.Lines, l)
		if kind == packages && name == ourGiven {
			r.Counted, r.Unattributed, r.InterruptsTold = k.Energy.Joules()/t.Total, k.Unattributed.Joules(), k.Interrupts.Joules()
		}
	}
}

// addPeer scores what a peer said, by every policy; which one it has is decided when all scenarios are there.
func (r *Report) addPeer(p *peer, truths map[string]*score.Truth) {
	result := p.Result()
	for _, kind := range []string{packages, memory, cards} {
		energy := kind
		told := toldBy(&result, energy, p.Every())
		if told == nil && kind == packages && truths[platform] != nil {
			energy = platform
			told = toldBy(&result, energy, p.Every())
		}
		if told == nil || truths[energy] == nil {
			continue
		}
		n := max(1, p.windows-1) // the first read is a baseline
		l := Line{Tool: p.Name(), Words: p.Words(), Kind: kind, Energy: energy, Trees: result.ByTree, Every: p.Every(),
			PerWindow: p.took / time.Duration(n), Looked: float64(p.looked) / float64(max(1, p.windows))}
		for _, policy := range means(l.Tool) {
			l.all = append(l.all, score.Of(truths[energy], told, policy))
		}
		r.Lines = append(r.Lines, l)
	}
}

// toldBy is a result's part of a kind of energy; nil: it tells none.
func toldBy(result *peers.Result, kind string, window time.Duration) *score.Told {
	told := &score.Told{Joules: map[score.Key]float64{}, Trees: result.ByTree, Window: window, NoRest: true}
	tells := false
	for k, d := range result.Joules {
		if j, ok := d[kind]; ok {
			told.Joules[score.Key{PID: k.PID, Start: k.Start}] = j
			tells = true
		}
	}
	if idle, ok := result.Idle[kind]; ok {
		told.Rest, told.NoRest = idle, false
		tells = true
	}
	if !tells {
		return nil
	}
	return told
}

// means are the policies that a tool may mean. Equal parts for all are what nobody else does.
func means(tool string) []score.Policy {
	if strings.HasPrefix(tool, "Kepler 0.") && !strings.HasSuffix(tool, "+") {
		return score.Policies
	}
	return []score.Policy{score.Separate, score.Capacity, score.Busy, score.Sockets}
}

// settle gives each peer the policy by which its errors are least, over all scenarios: nobody is scored against what it does not mean.
func settle(reports []*Report) {
	cost := map[string][]float64{}
	for _, r := range reports {
		for _, l := range r.Lines {
			if l.Ours || l.Kind != packages {
				continue
			}
			c := cost[l.Tool]
			if c == nil {
				c = make([]float64, len(l.all))
				cost[l.Tool] = c
			}
			for i := range l.all {
				if len(l.all[i].Entries) > 0 {
					c[i] += l.all[i].Mean()
				}
			}
		}
	}
	for _, r := range reports {
		for i := range r.Lines {
			l := &r.Lines[i]
			if l.Ours {
				continue
			}
			best := 0
			if c := cost[l.Tool]; c != nil {
				best = slices.Index(c, slices.Min(c))
			}
			l.Score = l.all[best]
		}
	}
}
