// Package live is the laboratory on this machine: real work runs in cgroups of its own, beside a powercap tree whose counters follow a law
// of the kernel's own count of CPU time, and eco2-bpf as well as the formulas of others tell what each of them used. The truth is the law and
// the count; whatever else runs here is in both.
//
// What it needs of its own process it starts as this binary once more: whoever imports it can be started as one of its helpers.
//
// Others' programs that follow context switches (Kepler up to 0.9, DEEP-mon) are not here: their formulas take slices, and a live run has
// none but those of eco2-bpf itself. The simulated machine has them.
package live
