package main

import (
	"github.com/eco2-bpf/eco2-bpf/internal/lab/peers"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// looked is of how many processes a program reads at least one file of /proc at a poll. One that is told of context switches by the kernel reads
// none. All others read those of all processes: PowerJoular, which reads its own process only, is run once for each.
func looked(p peers.Peer, s *seen.Sample) int {
	if peers.NeedsSlices(p) {
		return 0
	}
	return len(s.Processes)
}
