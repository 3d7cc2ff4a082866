package main

import (
	"fmt"
	"strings"
)

// shown is how many servers, and as many laptops, a goal is looked at on: machines where no factor was learned.
const shown = 20

// drawnWords is the goal of a population.
var drawnWords = fmt.Sprintf("drawn machines, weighted: median over each group of the p95 at most %s of the best peer's", percent(mostOfBest))

// goal is that of all groups. How many machines there are where we are that much better than the peer that is best on that one is told, too.
func (p *population) goal() Goal {
	goal := Goal{Words: drawnWords, Met: true}
	var results []string
	for _, g := range groups {
		weighted, peer, name := p.against(g)
		met, of := p.halved(g)
		goal.Met = goal.Met && weighted <= mostOfBest*peer
		results = append(results, fmt.Sprintf("%s %s, %s %s (at most %s of the best of each on %d of %d machines)",
			g.name, percent(weighted), name, percent(peer), percent(mostOfBest), met, of))
	}
	goal.Result = strings.Join(results, "; ")
	return goal
}
