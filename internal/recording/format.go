// Package recording keeps what a measurement read of its machine, step by step, and gives it back in place of the machine: usage,
// counters, who ran, and the carbon factor. docs/recording.md tells the format, so that other programs can read it too.
package recording

import "hash/crc32"

// magic begins a file; the version follows as one byte. A reader refuses versions that it does not know.
const (
	magic   = "eco2-rec"
	version = 1
)

// Types of a frame: what a file is made of, behind the magic.
const (
	frameHeader = 1 // the Header as JSON; the first frame
	frameData   = 2 // the next part of one DEFLATE stream, which holds the records
	frameEnd    = 3 // the number of edges; the last frame
)

// Types of a record. Of an unknown type a reader skips it, and of a known one the bytes behind the fields that it knows.
const (
	recordWho       = 1 // one more entry of the table that usages refer to
	recordProcess   = 2
	recordExit      = 3
	recordCgroup    = 4
	recordContainer = 5
	recordEdge      = 6
	recordChapter   = 7 // who is empty again, and cgroups and containers are told anew
)

// When a process exited, which tells how long it is remembered.
const (
	exitNow       = 0 // in this step: to the end of the next
	exitBefore    = 1 // in the step before: to the end of this one
	exitForgotten = 2 // it is forgotten but as a parent
)

// Bits of an edge's flags. The parts follow one another in this order, so that a reader that knows fewer of them leaves the others out.
const (
	edgeBusy        = 1 << iota // the kernel's busy times were read
	edgeLooked                  // tasks follow
	edgeOverflow                // some time had no room in a table
	edgeShares                  // a source knows who used its domains
	edgeLosses                  // a count of losses has grown
	edgeBeside                  // usages tell of time beside a busy sibling
	edgeCounted                 // usages tell of counted events
	edgeResident                // usages tell of the memory that their process held
	edgeInterrupts              // the time in interrupts was read
	edgeKHz                     // frequencies were read
	edgeReserved                // reservations were read: as they were at the edge before
	edgeReservedNew             // or other ones, which follow
	edgeUncounted               // more slices have gone uncounted
)

// Bits of a sample's flags: what is not told is as it was.
const (
	sampleBounds  = 1 << iota // low and high have grown by something else than the energy
	sampleIdle                // the idle part, with its bounds, has grown
	sampleWritten             // bytes were written
	sampleMark
)

// Limits that a reader holds a file to, whatever it claims: they bound its memory.
const (
	maxHeader     = 8 << 20 // bytes of the header
	maxFrame      = 1 << 20 // bytes of another frame
	maxRecord     = 16 << 20
	maxCPUs       = 1 << 16
	maxDomains    = 1024
	maxUsages     = 1 << 20 // of one edge; tasks and shares likewise
	maxWho        = 1 << 20 // in one chapter
	maxCgroups    = 1 << 15 // in one chapter; likewise
	maxContainers = 1 << 12
	maxContainer  = 16 << 10  // bytes of one's record
	maxProcesses  = 1 << 17   // that are known at a time
	maxPrograms   = 256 << 20 // bytes of the programs and command lines of those that live
	maxText       = 4096      // bytes of a path or command line
	maxName       = 64        // bytes of the name of a process or thread
	maxLabels     = 64        // of a container
	maxUsers      = 1 << 16
	maxReasons    = 1024
	maxKHz        = 1 << 32 // a CPU's frequency, in whatever unit it is told
	maxReserved   = 1 << 16 // cgroups that reserve something
	maxTook       = 1 << 40 // that reading an edge took; a longer time is taken for that
	maxTick       = 1 << 30
)

// maxSum bounds times and energies, and their sums over CPUs and domains, so that whoever adds them up stays within 64 bits.
const maxSum = 1 << 62

// maxStep bounds the time between two edges, 104 days: who was stopped and went on, and no more.
const maxStep = 1 << 53

// maxStepTime bounds CPU time, busy time and time in interrupts of all CPUs between two edges, each: attribution adds them up.
const maxStepTime = 1 << 59

// maxStepEnergy bounds the energy of all domains between two edges, its bounds and its idle part, each.
const maxStepEnergy = 1 << 57

// When a writer begins another chapter: long before a reader's limits.
const (
	chapterWho        = 1 << 16
	chapterCgroups    = maxCgroups / 2
	chapterContainers = maxContainers / 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
