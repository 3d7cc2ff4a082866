package energy

import (
	"fmt"
	"slices"
	"strings"
)

// candidate is a zone that may become a domain.
type candidate struct {
	dir    zoneDir
	twin   *zoneDir // another way to the same counter, for when this one does not work
	domain Domain
	inside string // the psys zone whose joules include the domain's; empty: there is none
}

// part is the candidate's line of the containment table.
func (c *candidate) part(counted bool) Part {
	return Part{Name: c.domain.Name, Scope: c.domain.Scope, Inside: c.inside, Counted: counted}
}

// skipped says why a zone is no domain. ok: nothing is lost by that, its joules are counted elsewhere or are not of this kind.
func skipped(ok bool, id, why string) Reason {
	return Reason{Source: sourcePowercap, OK: ok, Text: id + " skipped: " + why, Part: Part{Name: id}}
}

// chooser turns zones into domains that never overlap.
type chooser struct {
	single  bool                // each socket has one counter, whatever the zones are called
	names   map[string]zoneName // by zone id, for the sub-zones
	taken   map[string]int      // by domain name: index in domains
	dies    map[string][]int    // die ids by scope and socket
	domains []candidate
	reasons []Reason
}

func newChooser(single bool) *chooser {
	return &chooser{single: single, names: map[string]zoneName{}, taken: map[string]int{}, dies: map[string][]int{}}
}

// add takes the zones in the order of findZones, a parent before its sub-zones. The zone's enabled file is not asked: it switches the power
// limit (powercap.rst), and the driver counts energy either way; many machines have it at 0 because firmware sets the limits.
func (c *chooser) add(z zoneDir, raw string) {
	name, err := parseName(raw)
	if err != nil {
		c.skip(false, z, Part{}, err.Error())
		return
	}
	if c.single && name.kind == kindPackage && name.die >= 0 {
		name = zoneName{text: fmt.Sprintf("%s-%d", kindPackage, name.socket), kind: kindPackage, socket: name.socket, die: -1}
	}
	c.names[z.id] = name
	d := Domain{Method: Measured, Source: sourcePowercap}
	switch name.kind {
	case kindInside:
		c.skip(true, z, Part{Scope: name.text, Inside: c.names[z.parent()].text}, name.text+" is inside its package, which is counted")
		return
	case kindPsys:
		c.skip(true, z, Part{Name: name.text, Scope: ScopePsys}, name.text+" contains the packages, which are counted")
		return
	case kindPackage:
		if len(z.index) != 1 {
			c.skip(false, z, Part{Scope: ScopePackage, Inside: c.names[z.parent()].text}, name.text+" is below another zone, so its joules may be counted there")
			return
		}
		d.Name, d.Socket, d.Die, d.Scope = name.text, name.socket, name.die, kindPackage
	case kindDram:
		parent := c.names[z.parent()]
		if parent.kind != kindPackage {
			c.skip(false, z, Part{Scope: ScopeDRAM}, "dram is not below a package, so its socket is not known")
			return
		}
		d.Name, d.Socket, d.Die, d.Scope = dramName(parent), parent.socket, parent.die, kindDram
	default:
		c.skip(false, z, Part{Inside: c.names[z.parent()].text}, "a zone of name "+name.text+" is not known, and may be inside a package")
		return
	}
	if why, ok := c.conflict(z, d); why != "" {
		part := Part{Scope: d.Scope}
		if _, dup := c.taken[d.Name]; dup {
			part.Inside = d.Name
		}
		c.skip(ok, z, part, why)
		return
	}
	if first, dup := c.taken[d.Name]; dup { // another control type: MSR and MMIO
		c.domains[first].twin = &z
		return
	}
	c.taken[d.Name] = len(c.domains)
	key := fmt.Sprintf("%s-%d", d.Scope, d.Socket)
	c.dies[key] = append(c.dies[key], d.Die)
	c.domains = append(c.domains, candidate{dir: z, domain: d})
}

// conflict says why d cannot stand beside the domains that there are already.
func (c *chooser) conflict(z zoneDir, d Domain) (why string, ok bool) {
	if i, dup := c.taken[d.Name]; dup {
		first := c.domains[i]
		switch {
		case c.single && z.control == first.dir.control:
			return fmt.Sprintf("it is %s: %s", sameCounter(first.dir.id), oneOnAMD), true
		case z.control == first.dir.control:
			return d.Name + " is the name of " + first.dir.id + " too", false
		case first.twin != nil:
			return d.Name + " is the name of " + first.twin.id + " too", false
		}
		return "", true
	}
	if dies := c.dies[fmt.Sprintf("%s-%d", d.Scope, d.Socket)]; len(dies) > 0 && (d.Die < 0 || slices.Contains(dies, -1)) {
		return d.Name + " overlaps another domain of its socket", false
	}
	return "", true
}

// skip notes a zone that is no domain; a part without a name has the zone's id.
func (c *chooser) skip(ok bool, z zoneDir, part Part, why string) {
	r := skipped(ok, z.id, why)
	if part.Name == "" {
		part.Name = z.id
	}
	r.Part = part
	c.reasons = append(c.reasons, r)
}

// psysOf names the platform zone that contains a socket's package and memory: psys-N is that of socket N, and psys that of socket 0 or, where the
// firmware measures the platform once, of all (rapl_init_domains in drivers/powercap/intel_rapl_common.c).
func (c *chooser) psysOf(socket int) string {
	of, own := "", fmt.Sprintf("%s-%d", ScopePsys, socket)
	for _, n := range c.names {
		if n.kind == kindPsys && (n.text == own || of == "" && n.text == ScopePsys) {
			of = n.text
		}
	}
	return of
}

// sorted gives the domains by socket and die, a package before its memory, whatever order the kernel registered them in.
func (c *chooser) sorted() []candidate {
	for i := range c.domains {
		c.domains[i].inside = c.psysOf(c.domains[i].domain.Socket)
	}
	slices.SortStableFunc(c.domains, func(a, b candidate) int {
		if a.domain.Socket != b.domain.Socket {
			return a.domain.Socket - b.domain.Socket
		}
		if a.domain.Die != b.domain.Die {
			return a.domain.Die - b.domain.Die
		}
		return -strings.Compare(a.domain.Scope, b.domain.Scope) // "package" > "dram"
	})
	return c.domains
}
