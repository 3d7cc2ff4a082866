package bpf

import "time"

// Task is what one process holds of memory, and has moved to and from disks since the last Look.
type Task struct {
	Usage                  // who it is; Time, Switches and CPU are 0
	Resident int64         // bytes of memory in its page tables; of one that has exited, the most that it ever had
	Read     uint64        // bytes fetched from block devices, by all of its threads, those that exited included
	Written  uint64        // bytes of pages made dirty that are to be written to block devices, less those that it threw away in the same time
	Exited   time.Duration // when it ended, on the clock of Start; 0: it lives
}
