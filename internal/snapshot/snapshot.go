// Package snapshot is the record of one window, or of all of them: what every view shows and nothing else. Its JSON form is the
// schema eco2-bpf/1; fields are only ever added.
package snapshot

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Schema names the JSON form.
const Schema = "eco2-bpf/1"

// Kinds of a Snapshot.
const (
	Window = "window"
	Total  = "total"
)

// Kinds of a Row.
const (
	Process      = "process"      // a process; with its pid
	Kernel       = "kernel"       // a kernel thread, or all of them where rows are groups
	Group        = "group"        // processes of one command, user, cgroup, container, pod, unit, job or tree; or of none
	Others       = "others"       // what a selection or --top left out
	Reserved     = "reserved"     // idle energy of what a cgroup has reserved, by --idle reservation; in groups it is part of the group's row
	Interrupts   = "interrupts"   // interrupts, where the kernel counts their time apart
	Overflow     = "overflow"     // CPU time that no table had room for
	Unattributed = "unattributed" // energy of busy time that no row has
	Idle         = "idle"         // energy that the machine would have used with nothing to do
)

// Snapshot is immutable once published.
type Snapshot struct {
	Kind          string
	By            string // what a row is: process, thread, command, user, cgroup, container, pod, unit, job, tree
	IdlePolicy    string // separate, active, equal
	Start, End    time.Time
	Seconds       float64 // by the monotonic clock
	Host          Host
	Energy        []Energy // by domain, in the order of every Row.ByDomain
	Idle          []IdlePower
	Intensity     Intensity
	Rows          []Row // most joules first, then the rows that are no account
	ProcessesSeen int   // distinct processes that ran (of the selection, if there is one), however short their lives
	BusySource    string
	Losses        Losses
	Self          Self
	Weights       []Weight
	Explained     []Explanation // of the rows that were asked for
}

// Host names the machine.
type Host struct {
	Name    string `json:"name"`
	CPUs    int    `json:"cpus"`
	Sockets int    `json:"sockets"`
	Kernel  string `json:"kernel"`
	// MemoryBytes is what the kernel has to share out.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
}

// Energy is what one domain used, with how that is known.
type Energy struct {
	Domain string            `json:"domain"`
	Joules units.Microjoules `json:"joules"`
	Method string            `json:"method"` // measured, integrated, estimated
	Source string            `json:"source"` // powercap, perf, nvml, hwmon, battery, estimate
	Low    units.Microjoules `json:"low"`    // bounds of joules
	High   units.Microjoules `json:"high"`
	Scope  string            `json:"scope"` // what the joules include: package, core, dram, machine, wall, server, gpu, ram, storage
	Split  string            `json:"split"` // how the active part is shared: cpu_time, resident_set, block_io_bytes, device_time, none
	// CoversSeconds is the time that joules are of: 0 of what comes with a later window, more than the window's of what came late.
	CoversSeconds float64  `json:"covers_seconds"`
	Marks         []string `json:"marks,omitempty"` // why joules are incomplete: a counter reset, unreadable, gone
}

// IdlePower is the floor of a domain: the power it would draw with nothing to do, on the mean of the time that is shown.
type IdlePower struct {
	Domain string      `json:"domain"`
	Watts  units.Watts `json:"watts"`
	How    string      `json:"how"` // for most of the time: given, learned, table, model, unused (memory that no process holds)
	Low    units.Watts `json:"low"`
	High   units.Watts `json:"high"`
}

// Intensity is the factor that turns joules into grams, with its provenance.
type Intensity struct {
	Region  string  `json:"region"`
	Name    string  `json:"name"`
	GPerKWh float64 `json:"g_per_kwh"`
	PUE     float64 `json:"pue"`
	Source  string  `json:"source"`
	Year    int     `json:"year,omitempty"`
	Basis   string  `json:"basis"`
	Method  string  `json:"method"`
	How     string  `json:"how"`
	Guess   bool    `json:"guess"`
	Note    string  `json:"note,omitempty"`
}

// Row is one account, one group of them, or a part of the energy that is nobody's.
type Row struct {
	Kind       string
	PID        int       // of a process; 0 otherwise
	Start      time.Time // of a process; zero: not known
	TID        int       // of a thread; 0 otherwise
	Comm       string    // as the process or thread chose it: hostile bytes, as all names here
	Exe        string    // the file that it runs; of a group's latest process nothing
	Args       []string  // the beginning of its command line
	ArgsCut    bool      // there is more of it
	Ancestors  []Ancestor
	Group      string // a group's name; empty: of those that are in none
	Tenant     Tenant
	User       string
	UID        int // -1: none
	Cgroup     string
	CgroupID   uint64
	PPID       int
	Processes  int // accounts in this row
	CPUSeconds float64
	Switches   uint64
	Joules     units.Microjoules
	Low, High  units.Microjoules   // bounds of Joules
	ByDomain   []units.Microjoules // in the order of Snapshot.Energy
	Ranges     []Range             // of ByDomain
	CO2e       units.GramsCO2e
}

// Ancestor is one of those that forked a process, nearest first.
type Ancestor struct {
	PID  int    `json:"pid"`
	Comm string `json:"comm"`
}

// Tenant is whose a row is. Empty fields: not so, or not known.
type Tenant struct {
	Container *Container `json:"container,omitempty"`
	Pod       *Pod       `json:"pod,omitempty"`
	Unit      string     `json:"unit,omitempty"` // of systemd
	Slice     string     `json:"slice,omitempty"`
	Session   string     `json:"session,omitempty"`
	Job       string     `json:"job,omitempty"` // of Slurm
	Step      string     `json:"step,omitempty"`
}

// Container is one of a container runtime.
type Container struct {
	ID      string            `json:"id"`
	Name    string            `json:"name,omitempty"`
	Runtime string            `json:"runtime,omitempty"`
	Image   string            `json:"image,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"` // only of a row by container
	From    string            `json:"from,omitempty"`   // what told its name
}

// Pod is one of Kubernetes.
type Pod struct {
	UID       string `json:"uid"`
	Name      string `json:"name,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	QoS       string `json:"qos,omitempty"`
	Container string `json:"container,omitempty"` // its name within the pod
}

// Losses counts what could not be recorded, in this window (or since the start, in a total).
type Losses struct {
	Missed           uint64  `json:"missed"`            // slices whose beginning or end was not traced: dropped
	OverflowSwitches uint64  `json:"overflow"`          // slices in the overflow row
	OverflowSeconds  float64 `json:"overflow_seconds"`  //
	Spilled          uint64  `json:"spilled"`           // accounts that went to the spill map: slower, not lost
	Unfollowed       uint64  `json:"unfollowed"`        // descendants that there was no room to follow
	Recursion        uint64  `json:"recursion"`         // runs the kernel skipped
	UnseenSeconds    float64 `json:"unseen_seconds"`    // busy time by the kernel's count that no row has: the unattributed row
	Breaches         uint64  `json:"breaches"`          // times that rows did not add up to energy: a bug
	FoldedRows       uint64  `json:"folded,omitempty"`  // rows of a total that were folded into others to bound memory
	UnknownCgroups   uint64  `json:"unknown_cgroups"`   // cgroups gone before their path was read
	UnknownProcesses uint64  `json:"unknown_processes"` // processes of which nothing is known but what their account carries
	Events           uint64  `json:"events"`            // lost of those that tell of processes and cgroups; all processes were looked at since
	Uncounted        uint64  `json:"uncounted"`         // slices whose cache misses could not be read: on CPUs that came online later
	Gone             uint64  `json:"gone"`              // threads and processes that ended and found no room to tell what they held and moved
	MarkedDomains    uint64  `json:"marked_domains"`    // readings of a domain with a mark
	FrequencyUnread  uint64  `json:"frequency_unread"`  // readings of the CPUs' frequencies that did not work: nothing was weighed by them
	BusyUnread       uint64  `json:"busy_unread"`       // readings of the kernel's busy time that did not work
}

// Any tells whether something was lost that a user should know of. Spilling costs time, not truth.
func (l Losses) Any() bool {
	l.Spilled, l.UnseenSeconds = 0, 0
	return l != Losses{}
}

// Self is what measuring cost.
type Self struct {
	CPUSeconds float64 `json:"cpu_seconds"` // of this program in user space and system calls
	RSSBytes   uint64  `json:"rss_bytes"`
	// EdgeSeconds is the longest that an edge took, from the first table that was drained to the last counter that was read: what
	// the two may be apart.
	EdgeSeconds float64 `json:"edge_seconds"`
}
