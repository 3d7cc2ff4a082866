// Package container turns the id of a container, as a cgroup's path has it, into names: those that its runtime or the kubelet knows.
// Nothing here is needed to count a joule, so nothing here fails or blocks: one worker looks, and what it cannot name keeps its id.
//
// It only reads: GET requests to Docker's and Podman's API sockets, and the files that the runtimes and the kubelet leave. The CRI
// socket is not asked: gRPC and its types would add some 10 MB to the program for the same four strings.
//
// Names are data that a tenant chose: any text, of bounded length. Whoever shows them has to make them safe for what they show them on.
package container

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Key is what a cgroup's path tells of a container.
type Key struct {
	Runtime string // docker, ecs, podman, containerd, crio; "": not known, all are asked; any other: none of these is
	ID      string // "": a pod's own cgroup
	PodUID  string // "": not of a pod. Static pods have a hash here
}

// Info is what its runtime, or the kubelet, says of it. Unknown fields are empty.
type Info struct {
	Name   string            // up to 256 bytes. Empty where the runtime has none: containerd's have a name only by Kubernetes or nerdctl
	Image  string            // as it was asked for, up to 512 bytes
	Labels map[string]string // not to be changed; up to 64, and 4 KiB together. containerd: the annotations of its OCI configuration

	// Kubernetes' names, only for a key with a pod's uid: elsewhere they would be labels that anyone can write.
	Pod, Namespace string
	PodContainer   string // "POD" is the pod's sandbox

	Source string // what said so: "docker API /run/docker.sock" ("API /x.sock" of Options), "kubelet /var/log/pods"; two are joined by "; "
}

// Options say where to look. The zero value is this machine as its services set it up.
type Options struct {
	Root    string   // where the host's file system is: "/" unless this runs in a container
	Sockets []string // API sockets of Docker or Podman (not below Root) in place of DOCKER_HOST and the usual ones; for all runtimes
}

const (
	cacheMax = 8192 // containers that are remembered
	queueMax = 1024 // look-ups that wait, and again as many that are to be repeated
)

// Resolver looks containers up. Its methods may be called from any goroutine.
type Resolver struct {
	sources sources
	kubelet kubelet
	cancel  context.CancelFunc
	ended   chan struct{}
	wake    chan struct{}

	mu       sync.Mutex
	known    cache
	fresh    []*entry // to look up now
	again    []*entry // to repeat at their time
	busy     bool
	dropped  uint64
	problems []string
}

// New starts the worker. It asks nobody before the first Ask.
func New(o Options) *Resolver {
	if o.Root == "" {
		o.Root = "/"
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Resolver{cancel: cancel, ended: make(chan struct{}), wake: make(chan struct{}, 1)}
	t := tree{o.Root}
	r.sources, r.kubelet = newSources(t, o.Sockets, r.problem), kubelet{t}
	go r.work(ctx)
	return r
}

// Ask queues a look-up, unless the answer is known or was looked for lately. It never blocks; where the queue is full it does nothing but
// count. A key that no runtime makes, or whose runtime nobody can be asked about, is ignored. Asking again for what has no name yet is
// cheap, and meant.
func (r *Resolver) Ask(k Key) {
	if !k.valid() || k.PodUID == "" && len(r.sources.by[k.Runtime]) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.known.get(k)
	switch {
	case e == nil:
		e = &entry{key: k}
	case e.done || e.queued || time.Now().Before(e.next):
		return
	}
	if len(r.fresh) >= queueMax {
		r.dropped++
		return
	}
	r.known.put(e)
	e.queued = true
	r.fresh = append(r.fresh, e)
	r.wakeUp()
}

// Get returns what is known by now. It never blocks.
func (r *Resolver) Get(k Key) (Info, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.known.get(k)
	if e == nil || e.info.Source == "" {
		return Info{}, false
	}
	return e.info, true
}

// Wait has all that was asked for and has no name looked up once more, and waits until that is done or d has passed: for a last report.
func (r *Resolver) Wait(d time.Duration) {
	r.mu.Lock()
	r.fresh = append(r.fresh, r.again...)
	r.again = nil
	r.mu.Unlock()
	r.wakeUp()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
		r.mu.Lock()
		idle := len(r.fresh) == 0 && !r.busy
		r.mu.Unlock()
		if idle {
			return
		}
	}
}

// problemsMax bounds the list: there are only so many sources and causes.
const problemsMax = 32

// Problems says what stood in the way so far, each once, in the order they were met. Nothing of it is text of a tenant.
func (r *Resolver) Problems() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.problems)
}

func (r *Resolver) problem(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) < problemsMax && !slices.Contains(r.problems, text) {
		r.problems = append(r.problems, text)
	}
}

// Dropped is how many times Ask found the queue full.
func (r *Resolver) Dropped() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}

// Close ends the worker, and a request that it waits for. What is known stays so.
func (r *Resolver) Close() {
	r.cancel()
	<-r.ended
}

// cache remembers up to cacheMax entries in two generations: the older half goes when the newer one is full, but for what was used since.
type cache struct{ young, old map[Key]*entry }

func (c *cache) get(k Key) *entry {
	if e := c.young[k]; e != nil {
		return e
	}
	e := c.old[k]
	if e != nil {
		c.put(e)
	}
	return e
}

func (c *cache) put(e *entry) {
	if len(c.young) >= cacheMax/2 {
		c.old, c.young = c.young, nil
	}
	if c.young == nil {
		c.young = map[Key]*entry{}
	}
	c.young[e.key] = e
}
