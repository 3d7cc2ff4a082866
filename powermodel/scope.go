package powermodel

import "github.com/eco2-bpf/eco2-bpf/internal/units"

// Scopes of a Model: what its watts include.
const (
	ScopeWall    = "wall"    // a server's share, at the wall: with memory, disks, fans and the loss of its power supply, without GPUs
	ScopeServer  = "server"  // likewise, without memory and disks
	ScopePackage = "package" // its processor packages alone
)

// figures are watts per hardware thread.
type figures struct{ idle, full Range }

// scopeFigures are the figures of one machine by scope: package <= server <= wall.
type scopeFigures struct{ wall, server, pkg figures }

// As gives the model for another scope. A model that was not made by Resolve, and an unknown scope, stay as they are.
func (m Model) As(scope string) Model {
	if m.scopes == (scopeFigures{}) {
		return m
	}
	f, note := m.scopes.wall, ""
	switch scope {
	case ScopeWall:
	case ScopeServer:
		f, note = m.scopes.server, "; without memory and disks"
	case ScopePackage:
		f, note = m.scopes.pkg, "; of that the package, "+m.packageBy
	default:
		return m
	}
	m.Scope, m.Idle, m.Max, m.How = scope, f.idle, f.full, m.how+note
	return m
}

// thread is what stands behind the figures of one hardware thread.
type thread struct {
	memoryGB float64 // in the servers of the tables: inside their watts at the wall
	tdp      float64 // its share of the package's TDP
	tdpBy    string  // how that is known
	relative bool    // by other parts of its line
	client   bool    // of a desktop or laptop part
}

// Least parts of the watts at the wall that stay with a server when its memory and disks are taken out. SPECpower systems are
// tuned: at idle some take less than 0.38 W for each of their GB.
const (
	leastServerIdle = 0.3
	leastServerFull = 0.5
	leastPackage    = 0.7 // the lower bound of a package's full load is this part of its value
	packageInServer = 0.8 // at idle, a package takes at most this part of its server, memory and disks left out
)

// relativeTDP is how much wider the bounds are where a part's TDP is not known: parts made for clouds have up to twice their line's median.
const relativeTDP = 1.5

// carveOut takes memory, disks and platform out of the figures of a tuned server at the wall.
func (t *tableSet) carveOut(wall figures, th thread) scopeFigures {
	ram, disk := t.constants["ram_w_per_gb"], t.constants["boot_disk_w_per_thread"].value
	cut, least := units.Watts(th.memoryGB*ram.value+disk), units.Watts(th.memoryGB*ram.low)
	server := figures{less(wall.idle, cut, least, leastServerIdle), less(wall.full, cut, least, leastServerFull)}

	share, platform, tdp := t.constants["pkg_idle_to_tdp"], t.constants["platform_max_to_pkg_max"], units.Watts(th.tdp)
	if th.client {
		share = t.constants["client_pkg_idle_to_tdp"]
	}
	full := min(tdp, server.full.Value/units.Watts(1+platform.value))
	idle := min(tdp*units.Watts(share.value), server.idle.Value*packageInServer, full/2)
	pkg := figures{
		idle: Range{idle, min(idle, tdp*units.Watts(share.low)), max(idle, tdp*units.Watts(share.high))},
		full: Range{full, full * leastPackage, max(full, tdp*units.Watts(t.constants["pkg_max_to_tdp"].high))},
	}
	return scopeFigures{wall, server, ordered(pkg)}
}

// buildUp adds up the figures of a cloud host from its package. Clouds keep their hosts at full clock and out of deep sleep, so these
// take more, package alone, than SPECpower's tuned servers do at the wall: 0.60 W per thread at idle against 0.53 to 0.60.
func (t *tableSet) buildUp(th thread) scopeFigures {
	scaled := func(by float64, name string) Range {
		c := t.constants[name]
		return Range{units.Watts(by * c.value), units.Watts(by * c.low), units.Watts(by * c.high)}
	}
	pkg := ordered(figures{scaled(th.tdp, "pkg_idle_to_tdp"), scaled(th.tdp, "pkg_max_to_tdp")})
	if th.relative {
		for _, r := range []*Range{&pkg.idle, &pkg.full} {
			r.Low, r.High = r.Low/relativeTDP, r.High*relativeTDP
		}
	}
	full := float64(pkg.full.Value)
	server := figures{
		plus(pkg.idle, scaled(full, "platform_idle_to_pkg_max")),
		plus(pkg.full, scaled(full, "platform_max_to_pkg_max")),
	}
	disk := units.Watts(t.constants["boot_disk_w_per_thread"].value)
	rest := plus(scaled(th.memoryGB, "ram_w_per_gb"), Range{disk, disk, disk})
	return scopeFigures{figures{plus(server.idle, rest), plus(server.full, rest)}, server, pkg}
}

// less takes cut out of r, but never more than leaves this part of it. The upper bound loses only the least that it can be.
func less(r Range, cut, least units.Watts, floor float64) Range {
	value := max(r.Value-cut, r.Value*units.Watts(floor))
	return Range{value, min(value, max(r.Low-cut, r.Low*units.Watts(floor))), max(value, r.High-least)}
}

func plus(a, b Range) Range { return Range{a.Value + b.Value, a.Low + b.Low, a.High + b.High} }

// ordered keeps the bounds of full load above those of idle.
func ordered(f figures) figures {
	f.full.Low, f.full.High = max(f.full.Low, f.idle.Low), max(f.full.High, f.idle.High)
	return f
}
