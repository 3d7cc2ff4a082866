package energy

import (
	"fmt"
	"io/fs"
	"time"
)

// sleepNoise is how much longer a sleep must be than what a delay between the two clock reads looks like.
const sleepNoise = 100 * time.Millisecond

func (p *powercap) Domains() []Domain { return p.domains }

// Read takes each counter with one system call. At is the edge's time plus what has passed in here, so it is on the edge's clock, whichever that is.
func (p *powercap) Read(edge Edge, into []Sample) {
	begin := time.Now()
	now := moment{slept: p.since()}
	for i, z := range p.zones {
		if i >= len(into) {
			return
		}
		now.at = edge.Time + time.Since(begin)
		mark := z.read(now)
		into[i] = Sample{At: now.at, Energy: z.meter.total, Low: z.meter.total, High: z.meter.total, Span: z.meter.span, Mark: mark}
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
	if err == nil && z.meter.have && v == z.meter.last.value && z.energy.replaced() {
		err = fs.ErrNotExist
	}
	if isText(err) {
		return z.unreadable(err, now)
	}
	noRange := error(nil)
	if err != nil {
		if v, noRange, err = z.again(); err != nil {
			return z.unreadable(err, now)
		}
	}
	mark := z.meter.add(v, now)
	if noRange != nil { // only a zone that came back, which has a mark
		mark += fmt.Sprintf("; its range cannot be read (%v): a wrap will be taken for a reset", noRange)
	}
	if mark != "" {
		return z.mark(mark)
	}
	return ""
}

func (z *zone) unreadable(err error, now moment) string {
	z.meter.miss(now)
	return z.mark("counter unreadable: " + err.Error())
}

// again opens the counter by its path and reads it, once per window: a removed zone answers ENODEV for ever, and its path may lead to another
// that was registered in its place. The baseline stays only if it is the same file, so that one bad read (EIO) costs no joules.
func (z *zone) again() (v int64, noRange, err error) {
	same, err := z.energy.reopen()
	if !same {
		z.meter.lose()
	}
	if err != nil {
		return 0, nil, err
	}
	if !same {
		z.meter.rng, noRange = z.readRange()
	}
	v, err = z.energy.read()
	return v, noRange, err
}

func (z *zone) mark(what string) string { return z.energy.name + ": " + what }
