package energy

import (
	"sync"
	"time"
)

// How often a gauge is read. Two readings a window would see of a load that comes and goes only what it did at the two edges: of one that is
// 0.3 s on and 0.3 s off, windows of a second are off by a half on average; read ten times a second, by 3 % (TestSamplingIsWorthIt). A gauge that
// tells a mean of the past second gains nothing by that. A read where the chip sits on a slow bus takes some hundred microseconds, most of
// them asleep, and an edge that comes meanwhile waits for it.
const (
	everyInstant = 100 * time.Millisecond
	everyMean    = time.Second // also keeps a window that is longer than bridge from being a gap
)

// gaugeChannel is one domain of gauges: a gauge, or a counter that stands among them.
type gaugeChannel struct {
	name    string       // for people: hwmon3/power1_average
	status  *counterFile // whether the device sleeps, and would be woken by a reading; nil: it never does
	input   powerInput
	gauge   gauge
	every   time.Duration
	due     time.Duration // when it is read between edges, on their clock
	sleep   sleep
	counter *zone // instead of all above
}

// gauges is a Source of power gauges, read at each edge and, by a goroutine of its own, between them.
type gauges struct {
	domains  []Domain
	channels []*gaugeChannel
	tick     time.Duration // between readings of the fastest gauge; 0: edges alone
	since    func(time.Time) time.Duration

	mu    sync.Mutex // guards all below, and channels
	sleep sleep      // of the counters
	edge  time.Duration
	began time.Time // when the edge was
	quit  chan struct{}
	done  chan struct{}
}

func newGauges() *gauges { return &gauges{since: time.Since, sleep: sleep{asleep: suspended}} }

// addGauge adds a domain that is integrated.
func (g *gauges) addGauge(d Domain, c *gaugeChannel) {
	d.Method = Integrated
	c.sleep = sleep{asleep: suspended}
	if g.tick == 0 || c.every < g.tick {
		g.tick = c.every
	}
	g.domains, g.channels = append(g.domains, d), append(g.channels, c)
}

// addCounter adds a domain whose driver counts energy. What it counts in has 64 bits, so it never wraps: where it goes back, it was reset.
func (g *gauges) addCounter(d Domain, file, status *counterFile) {
	d.Method = Measured
	z := &zone{energy: file, meter: newMeter(d.Scope, 0)}
	g.domains, g.channels = append(g.domains, d), append(g.channels, &gaugeChannel{name: file.name, status: status, counter: z})
}

func (g *gauges) Domains() []Domain { return g.domains }

// Read takes a reading of each gauge, so that the integral reaches to the edge.
func (g *gauges) Read(edge Edge, into []Sample) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.edge, g.began = edge.Time, time.Now()
	slept := g.sleep.since()
	for i, c := range g.channels {
		if i >= len(into) {
			break
		}
		at := g.now()
		if c.counter != nil {
			mark := c.count(moment{at: at, slept: slept})
			m := &c.counter.meter
			into[i] = Sample{At: at, Energy: m.total, Low: m.total, High: m.total, Span: m.span, Mark: mark}
			continue
		}
		c.take(at)
		into[i] = c.gauge.sample(at)
		if into[i].Mark != "" {
			into[i].Mark = c.name + ": " + into[i].Mark
		}
	}
	if g.quit == nil && g.tick > 0 {
		g.quit, g.done = make(chan struct{}), make(chan struct{})
		go g.run(g.quit, g.tick)
	}
}

// now is the time on the clock of the edges, whichever that is.
func (g *gauges) now() time.Duration { return g.edge + g.since(g.began) }

// run reads between edges.
func (g *gauges) run(quit <-chan struct{}, tick time.Duration) {
	defer close(g.done)
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-quit:
			return
		case <-t.C:
			g.between()
		}
	}
}

// between reads the gauges that are due.
func (g *gauges) between() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.channels {
		if at := g.now(); c.counter == nil && at >= c.due {
			c.take(at)
		}
	}
}

// take reads the gauge once.
func (c *gaugeChannel) take(at time.Duration) {
	c.due = at + c.every - slack // a tick that comes a little early is not left to the next one
	if c.asleep() {
		c.gauge.pause(string(sleeps))
		return
	}
	w, err := c.input.power()
	if why, ok := err.(notNow); ok {
		c.gauge.pause(string(why))
		return
	}
	if err != nil {
		c.gauge.miss(err)
		return
	}
	c.gauge.add(w, moment{at: at, slept: c.sleep.since()})
}

// count reads the counter once.
func (c *gaugeChannel) count(now moment) (mark string) {
	if c.asleep() { // what it uses meanwhile comes when it wakes
		c.counter.meter.miss(now)
		return c.name + ": " + string(sleeps)
	}
	return c.counter.read(now)
}

const sleeps notNow = "the device sleeps, and is not woken to be read"

// asleep tells whether a reading would wake the device, which costs more than it tells.
func (c *gaugeChannel) asleep() bool {
	if c.status == nil {
		return false
	}
	b, err := fetch(c.status)
	return err == nil && string(b) == "suspended\n"
}

// Close ends the reading between edges before it closes the files.
func (g *gauges) Close() error {
	g.mu.Lock()
	quit := g.quit
	if quit == nil {
		g.quit = make(chan struct{}) // a Read after this starts nothing
	}
	g.tick = 0
	g.mu.Unlock()
	if quit != nil && g.done != nil {
		close(quit)
		<-g.done
		g.done = nil
	}
	for _, c := range g.channels {
		if c.status != nil {
			c.status.close()
		}
		if c.counter != nil {
			c.counter.energy.close()
		} else {
			c.input.close()
		}
	}
	return nil
}
