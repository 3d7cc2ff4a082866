package sim

// What an event does. Of events at one instant the one that was pushed first comes first.
const (
	evStart     = iota // arg: job
	evKill             // arg: process
	evWake             // arg: task
	evRun              // arg: CPU; its burst or its slice is over
	evRoam             // arg: task
	evInterrupt        // arg: source
	evReturn           // arg: source; it is over
	evBeat             // governor and balancing
	evGPU              // arg: context
	evTick             // arg: CPU
	evLatch            // arg: look, gen: zone
	evLook             // arg: look
	evGive             // arg: look
	evEnd
)

// event is at ns since the run began. One whose gen is no longer that of what it is for is void.
type event struct {
	at       int64
	seq      uint64
	kind     int
	arg, gen int
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// events is a heap, the earliest first.
type events struct {
	heap []event
	seq  uint64
}

func (q *events) push(e event) {
	q.seq++
	e.seq = q.seq
	h := append(q.heap, e)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(&h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
	q.heap = h
}

func (q *events) pop() event {
	h := q.heap
	out, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	q.heap = h
	if len(h) == 0 {
		return out
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(&h[child]) {
			child++
		}
		if !h[child].before(&last) {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = last
	return out
}
