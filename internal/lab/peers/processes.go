package peers

import "github.com/eco2-bpf/eco2-bpf/internal/lab/seen"

func keyOf(p *seen.Process) Key { return Key{p.PID, p.Start} }

// ticks is the process's CPU time in steps of 10 ms, without children that it waited for.
func ticks(p *seen.Process) float64 { return float64(p.User) + float64(p.Sys) }

// forest is who came from whom, as /proc has it: whoever outlived its parent is init's.
type forest struct {
	processes []seen.Process
	children  map[int][]int // indexes, by pid of the parent
}

func newForest(processes []seen.Process) *forest {
	f := &forest{processes: processes, children: map[int][]int{}}
	for i := range processes {
		f.children[processes[i].PPID] = append(f.children[processes[i].PPID], i)
	}
	return f
}

// under calls do once for the process at i and once for each of its descendants.
func (f *forest) under(i int, do func(*seen.Process)) {
	do(&f.processes[i])
	if len(f.children[f.processes[i].PID]) == 0 {
		return
	}
	met := map[int]bool{i: true} // one that is its own descendant would go round for ever
	for queue := []int{i}; len(queue) > 0; queue = queue[1:] {
		for _, child := range f.children[f.processes[queue[0]].PID] {
			if !met[child] {
				met[child] = true
				do(&f.processes[child])
				queue = append(queue, child)
			}
		}
	}
}

// roots are the jobs that a program is run for, once for each.
type roots struct {
	pids  map[int]Key // of those asked for; Key is zero until it is seen
	known map[Key]bool
}

func newRoots(pids []int) roots {
	r := roots{known: map[Key]bool{}}
	if len(pids) > 0 {
		r.pids = map[int]Key{}
	}
	for _, pid := range pids {
		r.pids[pid] = Key{}
	}
	return r
}

// each calls do for each root that lives; first is true when it was not there at the last call: the program is started with it. A pid that
// comes back is not the job that was asked for.
func (r *roots) each(processes []seen.Process, do func(i int, k Key, first bool)) {
	living := make(map[Key]bool, len(r.known))
	for i := range processes {
		p := &processes[i]
		k := keyOf(p)
		if r.pids == nil {
			if p.Kernel {
				continue
			}
		} else if asked, ok := r.pids[p.PID]; !ok || asked != (Key{}) && asked != k {
			continue
		} else {
			r.pids[p.PID] = k
		}
		living[k] = true
		do(i, k, !r.known[k])
	}
	r.known = living
}
