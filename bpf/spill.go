package bpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// spillBuffers are kept between drains: a storm of processes is seldom alone.
type spillBuffers struct {
	keys  []eco2SpillKey
	slots []eco2Slot
}

const spillBatch = 1024

// drainSpill empties the spill map of the epoch that ended. Nobody writes it any more.
func (c *Collector) drainSpill(into []Usage, ended uint32) ([]Usage, error) {
	m := c.coll.Maps[eco2MapSpillEven]
	if ended == 1 {
		m = c.coll.Maps[eco2MapSpillOdd]
	}
	if c.spill.keys == nil {
		c.spill = spillBuffers{make([]eco2SpillKey, spillBatch), make([]eco2Slot, spillBatch)}
	}
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookupAndDelete(&cursor, c.spill.keys, c.spill.slots, nil)
		for i := range n {
			into = append(into, c.usage(&c.spill.slots[i], int(c.spill.keys[i].Cpu)))
		}
		switch {
		case errors.Is(err, ebpf.ErrKeyNotExist): // that was the last of them
			return into, nil
		case err != nil:
			return into, fmt.Errorf("drain the spill map: %w", err)
		}
	}
}
