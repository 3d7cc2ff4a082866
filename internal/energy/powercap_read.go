package energy

import (
	"io/fs"
	"time"
)

// sleepNoise is how much longer a sleep must be than what a delay between the two clock reads looks like.
const sleepNoise = 100 * time.Millisecond

func (p *powercap) Domains() []Domain { return p.domains }

// Read takes each counter with one system call. At is the edge's time plus what has passed in here, so it is on the edge's clock, whichever that is.
func (p *powercap) Read(edge Edge, into []Sample) {
	begin := time.Now()
	now := moment{slept: p.sleptSinceLast(), busy: busySum(edge.Busy)}
	for i, z := range p.zones {
		if i >= len(into) {
			return
		}
		now.at = edge.Time + time.Since(begin)
		mark := z.read(now)
		into[i] = Sample{At: now.at, Energy: z.meter.total, Low: z.meter.total, High: z.meter.total, Mark: mark}
	}
}

func (p *powercap) Close() error {
	for _, z := range p.zones {
		z.energy.close()
	}
	return nil
}

// read never fails: what went wrong is the mark, with the file's name.
func (z *zone) read(now moment) string {
	v, err := z.energy.read()
	if err == nil && z.meter.have && v == z.meter.last && z.energy.replaced() {
		err = fs.ErrNotExist
	}
	if isText(err) {
		z.meter.miss()
		return z.mark("counter unreadable: " + err.Error())
	}
	if err != nil {
		if v, err = z.again(); err != nil {
			return z.mark("counter unreadable: " + err.Error())
		}
	}
	if mark := z.meter.add(v, now); mark != "" {
		return z.mark(mark)
	}
	return ""
}

// again opens the counter by its path and reads it, once per window: a removed zone answers ENODEV for ever, and its path may lead to another
// that was registered in its place. The baseline stays only if it is the same file, so that one bad read (EIO) costs no joules.
func (z *zone) again() (int64, error) {
	same, err := z.energy.reopen()
	if !same {
		z.meter.lose()
	} else {
		z.meter.miss()
	}
	if err != nil {
		return 0, err
	}
	if !same {
		z.meter.rng, _ = z.readRange()
	}
	return z.energy.read()
}

func (z *zone) mark(what string) string { return z.energy.name + ": " + what }

// sleptSinceLast tells a resume, after which counters may have been reset, from an ordinary window. At the first read it is the sleep since boot, which a baseline does not look at.
func (p *powercap) sleptSinceLast() time.Duration {
	s := p.asleep()
	d := s - p.slept
	p.slept = s
	if d < sleepNoise {
		return 0
	}
	return d
}

// busySum is negative when the edge does not say.
func busySum(busy []time.Duration) time.Duration {
	if len(busy) == 0 {
		return -1
	}
	var sum time.Duration
	for _, b := range busy {
		sum += b
	}
	return sum
}
