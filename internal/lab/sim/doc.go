// Package sim is a machine whose energy is known: it runs loads on CPUs by a scheduler, takes what each process uses from a model of physics,
// and shows of that only what a real machine shows: context switches, /proc, energy counters.
//
// It shares no code with what is measured by it: neither the split nor the power models of the program, nor the peers' formulas.
//
// # Power
//
// A core at work uses C a f V(f)^2 + L V(f)^2: switched capacitance, activity of the instruction mix, frequency and voltage, which rises
// linearly with frequency; and leakage (Chandrakasan, Sheng and Brodersen, Low-power CMOS digital design, IEEE JSSC 27(4), 1992; Weste and
// Harris, CMOS VLSI Design, chapter 5). With C-states a core with nothing to do leaks nothing, without them it leaks at its lowest voltage.
//
// Two threads of a core at work use (1+x) of what one would with their mean activity: x is 0.10 (Zhai et al., HaPPy, USENIX ATC 2014), 0.15
// (METRION, arXiv 2512.06806) or up to 0.30, one for each machine. Leakage is the core's, with one thread at work or with two.
//
// A socket has a floor, and uses somewhat more while any of its CPUs works (chip maintenance power: Shen et al., Power Containers, ASPLOS
// 2013). Memory uses a constant for refresh and a constant for each last-level miss. A GPU uses a constant, and more by SM activity.
//
// # Truth
//
// The idle part is what the machine would have used with nothing to do, for as long as the run lasted. All else is active, and has an owner:
// the thread on the CPU. Two threads of a core share what the core uses by their activities; those that work on a socket at an instant share
// its maintenance power equally (their Shapley value). Idle and active parts add up to the energy, before the counter's noise and steps.
//
// # Counters
//
// A counter moves each 0.976 ms, give or take some, each at its own instants (Khan et al., RAPL in Action, ACM TOMPECS 3(2), 2018), in units
// of 2^-14 J, from max_energy_range_uj to 0, and begins where it gets there in the run. Its gain wanders by the machine's noise.
//
// # Scheduler
//
// CPUs have queues and slices of 1 to 4 ms. Who wakes goes to an idle core, then to an idle thread of one, then to the shortest queue, in front;
// a CPU with nothing left takes what waits elsewhere. Each 10 ms the governor sets each core's frequency by its load, below what the number of
// cores at work allows, and threads leave busy siblings and efficiency cores for idle cores.
//
// # What is simplified
//
// Loads are given in CPU time, not in instructions: a slow CPU does not make them last longer. Memory is always that of the socket where the
// thread runs, and a miss costs the same beside a busy sibling. /proc/stat is exact to its 10 ms, where a kernel that samples by tick is not:
// peers get the better of the two. CPU time of a thread that runs is as old as the last 4 ms tick of its CPU, as in the kernel. Before the run
// the machine has been idle since its boot.
package sim
