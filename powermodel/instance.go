package powermodel

import "strings"

// platformOf finds the processor of a cloud instance type: by the type where a family has several processors, else by its family.
func (t *tableSet) platformOf(instance string) (microarch, key string, ok bool) {
	if len(instance) > maxName {
		return "", "", false
	}
	family, _, _ := strings.Cut(instance, ".")
	for _, name := range []string{instance, family} {
		if r, found := t.instances[name]; found {
			return r.microarch, r.powerKey, true
		}
	}
	return "", "", false
}

// packageTDP is a hardware thread's share of its package's TDP, with how that is known. In this order: from the socket itself, on metal; from a
// listed part, or one sold to clouds, with its number of threads, which smt corrects where SMT is off; from full, this machine's watts per
// thread at full load.
func (t *tableSet) packageTDP(cpu CPU, name, key string, full, smt float64) (watts float64, by string, relative bool) {
	tdp, listed := t.tdpOf(name)
	if listed && !cpu.Hypervisor && cpu.Threads > 0 {
		return tdp * float64(max(1, cpu.Sockets)) / float64(cpu.Threads), "by its TDP", false
	}
	p := t.power[key]
	if listed {
		if c, ok := t.cpus[name]; ok {
			return tdp / c.threads * smt, "by its TDP and threads", false
		}
		for _, c := range t.clouds {
			if hasWords(name, c.fragment) && c.cores > 0 && p.threadsPerCore > 0 {
				return tdp / (c.cores * p.threadsPerCore) * smt, "by its TDP and threads", false
			}
		}
	}
	if p.maxToTDP > 0 {
		return full / p.maxToTDP, "by the TDP of its relatives", true
	}
	return full / t.constants["server_max_to_tdp"].value, "by the TDP of servers of that power", true
}

// clientName says whether a CPU name is one of desktops and laptops, whose packages sleep deeper than a server's.
func clientName(name string) bool {
	if hasWords(name, "threadripper") {
		return false
	}
	for _, line := range []string{"core", "ryzen", "celeron", "pentium", "athlon", "atom"} {
		if hasWords(name, line) {
			return true
		}
	}
	return false
}

// before2017 says whether a name is of the years 2012 to 2016: Xeon E3, E5 and E7 up to v4, and late Opterons. Servers took more per watt of
// TDP then.
func before2017(name string) bool {
	for word := range strings.FieldsSeq(name) {
		if len(word) > 3 && word[0] == 'e' && word[2] == '-' && (word[1] == '3' || word[1] == '5' || word[1] == '7') {
			return !strings.HasSuffix(word, "v5") && !strings.HasSuffix(word, "v6")
		}
	}
	return hasWords(name, "opteron")
}
