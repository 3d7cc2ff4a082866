package sim

// A counter moves 1024 times a second, and up to wobble earlier or later, in ns.
const (
	step   = 976_562
	wobble = 60_000
)

// What a unit of a counter is in joules, and in nJ by the kernel's driver, which rounds it.
const (
	packageUnit, packageNanojoules = 1.0 / (1 << 14), 61_035
	dramUnit, dramNanojoules       = 15.3e-6, 15_300
)

// meter is an energy counter.
type meter struct {
	kind   zoneKind
	socket int
	unit   float64 // J
	nano   uint64  // nJ, as the driver has it
	first  uint64  // raw, when the run begins
	phase  int64
	seed   uint64
	base   float64 // J until the last beat
	shown  float64 // J that it had counted then, with its noise
	gain   float64
}

// addMeters sets each counter so far below its range that it gets there about half-way, were the machine idle.
func (w *world) addMeters() {
	kinds := w.Machine.kinds()
	for i, z := range w.seen.Zones {
		m := meter{kind: kinds[i], socket: z.Socket, unit: packageUnit, nano: packageNanojoules, gain: 1,
			phase: w.wander.Int64N(step), seed: w.wander.Uint64()}
		if m.kind == zoneDRAM {
			m.unit, m.nano = dramUnit, dramNanojoules
		}
		half := max(w.Machine.floor(m.kind), 1) * w.Duration.Seconds() / 2
		m.first = 1<<32 - uint64(half/m.unit)%(1<<32)
		w.meters = append(w.meters, m)
	}
}

// joules that a zone has used until now. Its cores must be settled.
func (w *world) joules(k zoneKind, n int) float64 {
	sum := w.Machine.floor(k) * float64(w.now) / 1e9
	for i := range w.sockets {
		if n >= 0 && i != n {
			continue
		}
		s := &w.sockets[i]
		if k == zonePackage || k == zonePsys {
			sum += s.wake
		}
		for _, c := range s.cores {
			switch k {
			case zonePackage, zoneCore:
				sum += w.cores[c].joules
			case zoneDRAM:
				sum += w.cores[c].misses * w.Machine.MissJoules
			case zonePsys:
				sum += w.cores[c].joules + w.cores[c].misses*w.Machine.MissJoules
			}
		}
	}
	return sum
}

// settleAll settles all cores, or those of one socket.
func (w *world) settleAll(socket int) {
	for n := range w.cores {
		if socket < 0 || w.cores[n].socket == socket {
			w.settle(n)
		}
	}
}

// raw is what the counter has counted until now, without an end.
func (w *world) raw(m *meter) uint64 {
	w.settleAll(m.socket)
	joules := m.shown + (w.joules(m.kind, m.socket)-m.base)*m.gain
	return m.first + uint64(max(joules, 0)/m.unit)
}

// microjoules is energy_uj.
func (m *meter) microjoules(raw uint64) uint64 { return raw % (1 << 32) * m.nano / 1000 }

// drift lets each counter's gain wander. Its past stays.
func (w *world) drift() {
	w.settleAll(-1)
	for i := range w.meters {
		m := &w.meters[i]
		now := w.joules(m.kind, m.socket)
		m.shown += (now - m.base) * m.gain
		m.base = now
		m.gain = max(1+w.Machine.Noise*w.wander.NormFloat64(), 0)
	}
}

// moved is when a counter moved last before at.
func (m *meter) moved(at int64) int64 {
	for k := (at-m.phase)/step + 1; k >= 0; k-- {
		when := m.phase + k*step + int64(mix(m.seed+uint64(k))%(2*wobble)) - wobble
		if when <= at {
			return max(when, 0)
		}
	}
	return 0
}

// mix makes a number that looks drawn of one that does not (SplitMix64, by Steele, Lea and Flood, OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
