package bpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// follower keeps the map of followed processes. A nil follower follows nobody.
type follower struct {
	m       *ebpf.Map
	added   int64 // by user space, less what it deleted; put right by each sweep
	sweepAt int64 // entries; a quarter of the map at first
}

func newFollower(m *ebpf.Map) *follower {
	return &follower{m: m, sweepAt: int64(m.MaxEntries() / 4)}
}

var errNoFollow = errors.New("the collector was opened without Options.Follow")

// Follow marks a process: what it and all that it forks from now on use carries Root = root (not 0).
func (c *Collector) Follow(tgid int, root uint32) error {
	return c.follow.put(tgid, eco2FollowState{Root: root})
}

// FollowChildrenOf marks only what the process forks from now on, not itself.
func (c *Collector) FollowChildrenOf(tgid int, root uint32) error {
	return c.follow.put(tgid, eco2FollowState{Root: root, ChildrenOnly: 1})
}

// Unfollow ends what Follow or FollowChildrenOf began; children that were forked meanwhile stay followed.
func (c *Collector) Unfollow(tgid int) error {
	if c.follow == nil {
		return errNoFollow
	}
	c.follow.added--
	if err := c.follow.m.Delete(uint32(tgid)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("unfollow process %d: %w", tgid, err)
	}
	return nil
}

func (f *follower) put(tgid int, state eco2FollowState) error {
	if f == nil {
		return errNoFollow
	}
	f.added++
	if err := f.m.Put(uint32(tgid), &state); err != nil {
		return fmt.Errorf("follow process %d: %w", tgid, err)
	}
	return nil
}

// sweep forgets followed processes that exited at least one whole window ago. Not at once: the last slice of a process comes after
// its exit is seen. It looks through the map only when it has grown a good deal since the last look, so that a long run with many
// living processes does not look at all of them in every window.
func (f *follower) sweep(addedByForks uint64, drains uint32) error {
	size := int64(addedByForks) + f.added // or fewer: pids that come again are counted again
	if size < f.sweepAt {
		return nil
	}
	var (
		tgid  uint32
		state eco2FollowState
		gone  []uint32
		kept  int64
	)
	it := f.m.Iterate()
	for it.Next(&tgid, &state) {
		if state.Exited != 0 && drains+1-state.Exited >= 2 {
			gone = append(gone, tgid)
		} else {
			kept++
		}
	}
	for _, tgid := range gone {
		if err := f.m.Delete(tgid); err != nil {
			kept++
		}
	}
	most := int64(f.m.MaxEntries())
	f.added += kept - size
	f.sweepAt = max(most/4, min(2*kept, kept+(most-kept)/2))
	if err := it.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return fmt.Errorf("look for exited processes that were followed: %w", err)
	}
	return nil
}

// variable reads a counter of the programs.
func (c *Collector) variable(name string) uint64 {
	var v uint64
	if err := c.coll.Variables[name].Get(&v); err != nil {
		return 0
	}
	return v
}
