package container

import (
	"context"
	"time"
)

// entry is one container: what is known of it, and when to look again.
type entry struct {
	key    Key
	info   Info
	done   bool // there is no more to know
	queued bool // it is in the worker's hands
	tries  int
	next   time.Time
}

// A runtime makes the cgroup before, or while, it knows the container by its id, and the kubelet links its log a moment later: the first
// look may come too early, so it is repeated, soon at first. After the last try the container is left alone for a while.
const (
	firstDelay = 50 * time.Millisecond // doubles with each try
	triesMax   = 8                     // the last one is some 6 s after the first
	restFor    = time.Minute
)

func (r *Resolver) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default: // it has been told
	}
}

func (r *Resolver) work(ctx context.Context) {
	defer close(r.ended)
	timer := time.NewTimer(restFor)
	defer timer.Stop()
	for ctx.Err() == nil {
		e, wait := r.take()
		if e != nil {
			info, done := r.look(ctx, e.key)
			r.settle(e, info, done)
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-timer.C:
		}
	}
}

// take returns the next entry to look up; nil: none for the time of wait.
func (r *Resolver) take() (e *entry, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.fresh) > 0 {
		e, r.fresh = r.fresh[0], r.fresh[1:]
		r.busy = true
		return e, 0
	}
	if len(r.again) == 0 {
		return nil, restFor
	}
	first := 0
	for i, a := range r.again {
		if a.next.Before(r.again[first].next) {
			first = i
		}
	}
	e = r.again[first]
	if wait = time.Until(e.next); wait > 0 {
		return nil, wait
	}
	r.again[first] = r.again[len(r.again)-1]
	r.again = r.again[:len(r.again)-1]
	r.busy = true
	return e, 0
}

// settle keeps the outcome of a look-up. A name that was found is never lost to a later look that finds less.
func (r *Resolver) settle(e *entry, info Info, done bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = false
	if done || info.Source != "" && e.info.Source == "" || info.PodContainer != "" {
		e.info = info
	}
	if e.done = done; done {
		e.queued = false
		return
	}
	e.tries++
	if e.tries < triesMax && len(r.again) < queueMax {
		e.next = time.Now().Add(firstDelay << (e.tries - 1))
		r.again = append(r.again, e)
		return
	}
	e.next, e.queued = time.Now().Add(restFor), false
}

// look asks the sources in turn. done says that they have said all that there is.
func (r *Resolver) look(ctx context.Context, k Key) (info Info, done bool) {
	if k.ID != "" {
		info = r.sources.look(ctx, k)
	}
	if k.PodUID == "" {
		return info, info.Source != ""
	}
	if info.Pod == "" || info.PodContainer == "" {
		if err := r.kubelet.fill(k, &info); err != nil {
			r.problem(kubeletPods + ": " + cause(err))
		}
	}
	return info, info.Pod != "" && (info.PodContainer != "" || k.ID == "")
}
