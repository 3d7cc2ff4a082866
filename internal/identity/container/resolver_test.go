package container

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The cgroup is there before the runtime knows the container.
func TestLookAgain(t *testing.T) {
	var asked atomic.Int32
	socket := serve(t, func(w http.ResponseWriter, q *http.Request) {
		if asked.Add(1) < 3 {
			http.Error(w, `{"message":"No such container"}`, http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, reply, id("a"), "{}")
	})
	r := newResolver(t, Options{Root: t.TempDir(), Sockets: []string{socket}})
	k := Key{"docker", id("a"), ""}
	begin := time.Now()
	r.Ask(k)
	for {
		r.Ask(k) // one that is in hand is not asked for twice
		if in, ok := r.Get(k); ok {
			if in.Name != "web" || asked.Load() != 3 {
				t.Errorf("%+v by %d requests", in, asked.Load())
			}
			break
		}
		if time.Since(begin) > 5*time.Second {
			t.Fatal("not found by another look")
		}
		time.Sleep(time.Millisecond)
	}
	if took := time.Since(begin); took < 3*firstDelay {
		t.Errorf("found after %v: it did not wait between its looks", took)
	}
	r.Ask(k)
	r.Wait(time.Second)
	if asked.Load() != 3 {
		t.Error("it asked for what it knows")
	}
}

// What stays unknown is given up, and left alone for a while.
func TestGiveUp(t *testing.T) {
	var asked atomic.Int32
	socket := serve(t, func(w http.ResponseWriter, q *http.Request) { asked.Add(1); http.NotFound(w, q) })
	r := newResolver(t, Options{Root: t.TempDir(), Sockets: []string{socket}})
	k := Key{"docker", id("a"), ""}
	r.Ask(k)
	for range 2 * triesMax { // Wait does not wait for the time of the next look
		r.Wait(time.Second)
		r.Ask(k)
	}
	if n := asked.Load(); n != triesMax {
		t.Errorf("%d requests, want %d", n, triesMax)
	}
}

// A name that was found stays, whatever becomes of the container.
func TestNamesStay(t *testing.T) {
	root := fixture(t)
	r := newResolver(t, Options{Root: root, Sockets: noSockets})
	pod, whole := Key{"", id("7"), podUID}, Key{"docker", id("2"), ""}
	for _, k := range []Key{pod, whole} {
		if _, ok := ask(t, r, k); !ok {
			t.Fatalf("%v not found", k)
		}
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	r.Wait(time.Second)
	if in, _ := r.Get(pod); in.Pod != "web-7d9c-x2x4z" { // of which the container's name is still looked for
		t.Errorf("the pod lost its name: %+v", in)
	}
	if in, _ := ask(t, r, whole); in.Name != "front" {
		t.Errorf("the container lost its name: %+v", in)
	}
}

// With a runtime that hangs, Ask and Get return at once, and memory is bounded.
func TestAskNeverBlocks(t *testing.T) {
	hang := make(chan struct{})
	socket := serve(t, func(http.ResponseWriter, *http.Request) { <-hang })
	defer close(hang)
	r := newResolver(t, Options{Root: t.TempDir(), Sockets: []string{socket}})
	const n = 3 * queueMax
	begin := time.Now()
	for i := range n {
		k := Key{"docker", fmt.Sprintf("%064x", i), ""}
		r.Ask(k)
		r.Get(k)
	}
	if took := time.Since(begin); took > requestLimit/2 {
		t.Errorf("%d took %v", n, took)
	}
	if got := r.Dropped(); got < n-queueMax-1 || got >= n {
		t.Errorf("%d dropped of %d", got, n)
	}
	begin = time.Now()
	r.Wait(50 * time.Millisecond)
	if took := time.Since(begin); took > requestLimit/2 {
		t.Errorf("Wait took %v", took)
	}
}

// The cache is bounded, and what is used stays in it.
func TestCacheIsBounded(t *testing.T) {
	var c cache
	used := Key{"docker", "used", ""}
	c.put(&entry{key: used})
	for i := range 3 * cacheMax {
		c.put(&entry{key: Key{"docker", fmt.Sprint(i), ""}})
		if c.get(used) == nil {
			t.Fatalf("what is used was forgotten after %d", i)
		}
		if n := len(c.young) + len(c.old); n > cacheMax {
			t.Fatalf("%d are remembered", n)
		}
	}
	if c.get(Key{"docker", "0", ""}) != nil || c.get(Key{"docker", fmt.Sprint(3*cacheMax - 1), ""}) == nil {
		t.Error("the old one stayed, or the new one did not")
	}
}

// Without the right to it a socket is a problem that says what to do. Root is refused nothing.
func TestNotAllowed(t *testing.T) {
	err := fmt.Errorf("get: %w", &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)})
	if got, want := cause(err), "permission denied; run as root or in the group that owns it"; got != want {
		t.Errorf("%v: %s", err, got)
	}
	if os.Getuid() == 0 {
		return
	}
	socket := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })
	if err := os.Chmod(socket, 0); err != nil {
		t.Fatal(err)
	}
	r := newResolver(t, Options{Root: t.TempDir(), Sockets: []string{socket}})
	ask(t, r, Key{"docker", id("a"), ""})
	if p := r.Problems(); len(p) != 1 || p[0] != "API "+socket+": "+cause(err) {
		t.Errorf("problems %q", p)
	}
}

func TestConcurrentUse(t *testing.T) {
	r := newResolver(t, Options{Root: fixture(t), Sockets: noSockets})
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 200 {
				k := Key{"docker", id(fmt.Sprint(2 + (g+i)%4)), ""}
				r.Ask(k)
				r.Get(k)
				r.Problems()
			}
			r.Wait(time.Second)
		})
	}
	all.Wait()
	if in, _ := r.Get(Key{"docker", id("2"), ""}); in.Name != "front" {
		t.Errorf("%+v", in)
	}
}

func BenchmarkAskKnown(b *testing.B) {
	r := newResolver(b, Options{Root: "testdata/root", Sockets: noSockets})
	k := Key{"docker", id("2"), ""}
	ask(b, r, k)
	for b.Loop() {
		r.Ask(k)
		r.Get(k)
	}
}
