package energy

// insides is what each scope's joules include of others, on the CPUs that it pays for.
var insides = map[string][]string{
	ScopeMachine: {ScopePsys, ScopePackage, ScopeCore, ScopeUncore, ScopeDRAM, ScopeWall, ScopeServer, ScopeGPU, ScopeRAM, ScopeStorage},
	ScopeWall:    {ScopePsys, ScopePackage, ScopeCore, ScopeUncore, ScopeDRAM, ScopeServer, ScopeRAM, ScopeStorage},
	ScopePsys:    {ScopePackage, ScopeCore, ScopeUncore, ScopeDRAM, ScopeRAM},
	ScopeServer:  {ScopePsys, ScopePackage, ScopeCore, ScopeUncore},
	ScopePackage: {ScopeCore, ScopeUncore},
	ScopeDRAM:    {ScopeRAM}, // the same memory, by its size
}

// overlap tells whether the joules of b are, wholly or in part, among those of a.
func overlap(a, b *Domain) bool {
	if a.Socket >= 0 && b.Socket >= 0 && (a.Socket != b.Socket || a.Die >= 0 && b.Die >= 0 && a.Die != b.Die) {
		return false
	}
	if a.Scope == b.Scope {
		return a.Scope != ScopeGPU && a.Scope != ScopeStorage || a.Name == b.Name // of those there are several
	}
	for _, scope := range insides[a.Scope] {
		if scope == b.Scope {
			return true
		}
	}
	return false
}

// Kinds of a domain, as users choose them.
const (
	KindCPU     = "cpu"
	KindGPU     = "gpu"
	KindRAM     = "ram"
	KindStorage = "storage"
)

// Kinds are all of them.
var Kinds = []string{KindCPU, KindGPU, KindRAM, KindStorage}

// Kind is what a domain is, to a user.
func (d *Domain) Kind() string {
	switch d.Scope {
	case ScopeGPU:
		return KindGPU
	case ScopeDRAM, ScopeRAM:
		return KindRAM
	case ScopeStorage:
		return KindStorage
	}
	return KindCPU
}
