package engine

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/identity/container"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// names is an engine.Names that knows some from the start.
type names struct {
	known map[string]container.Info // by container's id, or pod's uid
	asked map[container.Key]int
}

func (n *names) Ask(k container.Key) { n.asked[k]++ }
func (n *names) Wait(time.Duration)  {}
func (n *names) Get(k container.Key) (container.Info, bool) {
	info, ok := n.known[cmp.Or(k.ID, k.PodUID)]
	return info, ok
}

// The tenants of the synthetic machine.
var (
	webID   = "aa11" + strings.Repeat("0", 60)
	dbID    = "aa22" + strings.Repeat("0", 60)
	mainID  = "bb33" + strings.Repeat("0", 60)
	sideID  = "cc44" + strings.Repeat("0", 60)
	scopeID = "dd55" + strings.Repeat("0", 60)
)

const podUID = "6a4ce4a0-ba47-11ea-b2a7-0cc47ac5979e"

// Cgroup ids.
const (
	cgNone = iota + 100
	cgWeb
	cgDB
	cgMain
	cgSide
	cgUnit
	cgAnn
	cgBob
	cgStep0
	cgStep1
	cgRoot
	cgScope // in none of tenants
)

var cgroupPaths = map[uint64]string{
	cgScope: "/system.slice/docker-" + scopeID + ".scope",
	cgNone:  "/mine", cgRoot: "/",
	cgWeb:   "/docker/" + webID, // the cgroupfs driver: it has no unit
	cgDB:    "/system.slice/docker-" + dbID + ".scope",
	cgMain:  "/kubepods/burstable/pod" + podUID + "/" + mainID,
	cgSide:  "/kubepods/burstable/pod" + podUID + "/" + sideID,
	cgUnit:  "/system.slice/nginx.service",
	cgAnn:   "/user.slice/user-1000.slice/user@1000.service/app.slice/app.service",
	cgBob:   "/user.slice/user-1001.slice/user@1001.service/app.slice/app.service",
	cgStep0: "/slurm/uid_1001/job_77/step_0", cgStep1: "/slurm/uid_1001/job_77/step_batch/task_0",
}

// tenants are one process or two of each kind. Start is the pid in seconds.
func tenants() second {
	in := func(cgroup uint64, uid uint32, u bpf.Usage) bpf.Usage {
		u.Cgroup, u.UID = cgroup, uid
		return u
	}
	thread := in(cgRoot, 0, use(3, 0, 40, "kworker/0:1"))
	thread.Kernel = true
	other := in(cgRoot, 0, use(4, 1, 40, "ksoftirqd/1"))
	other.Kernel = true
	return second{
		use: []bpf.Usage{
			in(cgWeb, 0, use(10, 0, 10, "web")), in(cgWeb, 0, use(11, 1, 10, "web")), in(cgDB, 999, use(12, 0, 20, "db")),
			in(cgMain, 0, use(20, 1, 30, "app")), in(cgSide, 0, use(21, 1, 30, "proxy")),
			in(cgUnit, 33, use(30, 0, 50, "nginx")), in(cgAnn, 1000, use(40, 0, 60, "sh")), in(cgBob, 1001, use(41, 1, 70, "sh")),
			in(cgStep0, 1001, use(50, 0, 80, "mpi")), in(cgStep1, 1001, use(51, 1, 90, "mpi")),
			in(cgNone, 1000, use(60, 0, 100, "lone")), thread, other,
		},
		energy: []units.Microjoules{7_654_321, 1_234_567, 9_876_543},
	}
}

// inhabited is the synthetic machine with its cgroups, names, users and processes; windows and the total are checked for law 1.
func inhabited(t *testing.T, cfg Config, script ...second) (total *snapshot.Snapshot, n *names) {
	t.Helper()
	m := newMachine(script...)
	cgs := identity.OpenCgroups("")
	for id, path := range cgroupPaths {
		cgs.Made(id, path)
	}
	passwd := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(passwd, []byte("root:x:0:0::/:\nann:x:1000:1000::/:\nbob:x:1001:1001::/:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	n = &names{asked: map[container.Key]int{}, known: map[string]container.Info{
		webID:   {Name: "shop-web", Image: "web:1", Labels: map[string]string{"team": "shop"}, Source: "docker API"},
		mainID:  {Name: "k8s_main", Pod: "api-0", Namespace: "prod", PodContainer: "main", Labels: map[string]string{"x": "y"}},
		scopeID: {Name: "lab", Labels: map[string]string{"k": "v"}},
		sideID:  {Pod: "api-0", Namespace: "prod", PodContainer: "proxy"},
	}}
	ps := identity.NewProcesses(100)
	of := func(tgid uint32) identity.ProcessKey {
		return identity.ProcessKey{TGID: tgid, Start: time.Duration(tgid) * time.Second}
	}
	ps.Exec(of(1), identity.ProcessKey{}, "init", "/sbin/init", "init", 4)
	ps.Exec(of(9), of(1), "shim", "/bin/shim", "shim", 4)
	ps.Fork(of(10), of(9), "web")
	ps.Exec(of(11), of(10), "web", "/bin/web", "web\x00-v\x00", 7)
	ps.Fork(of(12), of(9), "db")
	ps.Fork(of(30), of(1), "nginx")
	for _, k := range []uint32{50, 51} { // their parent is not known
		ps.Fork(of(k), of(49), "mpi")
	}
	cfg.Interval, cfg.PUE, cfg.Factor = time.Second, 1, intensity.World("test")
	e, err := New(cfg, Parts{
		Collector: m, Source: m, Busy: busyOf{m}, BusySource: "test", Host: host.Host{Name: "test", CPUs: 2, Sockets: 2},
		Topology: host.Topology{{Online: true, Socket: 0}, {Online: true, Socket: 1}}, Model: powermodel.Resolve(powermodel.CPU{}),
		Users: identity.ReadUsers(passwd), Cgroups: cgs, Processes: ps, Containers: n, BootTime: time.Unix(1000, 0), Now: m.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	err = e.Run(context.Background(), time.Duration(len(script))*time.Second, func(s *snapshot.Snapshot) error {
		checkLaw(t, s, 0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	total = e.Total()
	checkLaw(t, total, 0)
	for i := range total.Energy {
		var want units.Microjoules
		for _, s := range script {
			want += s.energy[i]
		}
		if got := total.Energy[i].Joules; got != want {
			t.Errorf("%s: %v J of %v J", total.Energy[i].Domain, got, want)
		}
	}
	return total, n
}

// accountsOf shows the rows of accounts, sorted: what is asked of each, how many processes it has, and its CPU time in ms.
func accountsOf(s *snapshot.Snapshot, show func(r *snapshot.Row) string) []string {
	var out []string
	for i := range s.Rows {
		switch r := &s.Rows[i]; r.Kind {
		case snapshot.Group, snapshot.Process:
			out = append(out, fmt.Sprintf("%s: %d, %.0f ms", show(r), r.Processes, 1000*r.CPUSeconds))
		case snapshot.Kernel:
			out = append(out, fmt.Sprintf("[%s]: %d, %.0f ms", r.Comm, r.Processes, 1000*r.CPUSeconds))
		case snapshot.Others, snapshot.Overflow:
			out = append(out, fmt.Sprintf("(%s): %d, %.0f ms", r.Kind, r.Processes, 1000*r.CPUSeconds))
		}
	}
	slices.Sort(out)
	return out
}

func TestGroupings(t *testing.T) {
	each := []string{
		"10 web root: 1, 10 ms", "11 web root: 1, 10 ms", "12 db 999: 1, 20 ms", "20 app root: 1, 30 ms", "21 proxy root: 1, 30 ms",
		"30 nginx 33: 1, 50 ms", "40 sh ann: 1, 60 ms", "41 sh bob: 1, 70 ms", "50 mpi bob: 1, 80 ms", "51 mpi bob: 1, 90 ms",
		"60 lone ann: 1, 100 ms", "[kworker/0:1]: 1, 40 ms", "[ksoftirqd/1]: 1, 40 ms",
	}
	const kernel = "[kernel threads]: 2, 80 ms"
	group := func(r *snapshot.Row) string { return r.Group }
	for by, tt := range map[string]struct {
		show func(r *snapshot.Row) string
		want []string
	}{
		ByProcess: {func(r *snapshot.Row) string { return fmt.Sprint(r.PID, " ", r.Comm, " ", r.User) }, each},
		ByThread:  {func(r *snapshot.Row) string { return fmt.Sprint(r.PID, " ", r.Comm, " ", r.User) }, each},
		ByCommand: {group, []string{"web: 2, 20 ms", "db: 1, 20 ms", "app: 1, 30 ms", "proxy: 1, 30 ms", "nginx: 1, 50 ms", "sh: 2, 130 ms",
			"mpi: 2, 170 ms", "lone: 1, 100 ms", kernel}},
		ByUser: {func(r *snapshot.Row) string { return fmt.Sprint(r.Group, " ", r.UID) }, []string{
			"root 0: 4, 80 ms", "999 999: 1, 20 ms", "33 33: 1, 50 ms", "ann 1000: 2, 160 ms", "bob 1001: 3, 240 ms", kernel}},
		ByCgroup: {func(r *snapshot.Row) string { return fmt.Sprint(r.CgroupID, " ", r.Group == r.Cgroup, " ", r.Group) }, []string{
			"100 true /mine: 1, 100 ms", "101 true /docker/" + webID + ": 2, 20 ms", "102 true /system.slice/docker-" + dbID + ".scope: 1, 20 ms",
			"103 true /kubepods/burstable/pod" + podUID + "/" + mainID + ": 1, 30 ms",
			"104 true /kubepods/burstable/pod" + podUID + "/" + sideID + ": 1, 30 ms", "105 true /system.slice/nginx.service: 1, 50 ms",
			"106 true /user.slice/user-1000.slice/user@1000.service/app.slice/app.service: 1, 60 ms",
			"107 true /user.slice/user-1001.slice/user@1001.service/app.slice/app.service: 1, 70 ms",
			"108 true /slurm/uid_1001/job_77/step_0: 1, 80 ms", "109 true /slurm/uid_1001/job_77/step_batch/task_0: 1, 90 ms", kernel}},
		ByContainer: {func(r *snapshot.Row) string {
			c := r.Tenant.Container
			if c == nil {
				return "none" + r.Group
			}
			return fmt.Sprint(r.Group == c.ID, " ", c.ID[:4], " ", c.Name, " ", c.Runtime, " ", c.Image, " ", c.Labels)
		}, []string{
			"true aa11 shop-web docker web:1 map[team:shop]: 2, 20 ms", "true aa22  docker  map[]: 1, 20 ms",
			"true bb33 k8s_main   map[x:y]: 1, 30 ms", "true cc44    map[]: 1, 30 ms", "none: 6, 450 ms", kernel}},
		ByPod: {func(r *snapshot.Row) string {
			p := r.Tenant.Pod
			if p == nil {
				return "none" + r.Group
			}
			return fmt.Sprint(r.Group, " ", p.Namespace, "/", p.Name, " ", p.QoS, " ", p.Container)
		}, []string{podUID + " prod/api-0 burstable : 2, 60 ms", "none: 9, 490 ms", kernel}},
		ByUnit: {func(r *snapshot.Row) string { return fmt.Sprint(r.Group, " ", r.User, " ", r.Tenant.Slice) }, []string{
			"docker-" + dbID + ".scope  system.slice: 1, 20 ms", "nginx.service  system.slice: 1, 50 ms", "app.service ann app.slice: 1, 60 ms",
			"app.service bob app.slice: 1, 70 ms", "  : 7, 350 ms", kernel}},
		ByJob: {func(r *snapshot.Row) string {
			return fmt.Sprint(r.Group, " ", r.Tenant.Job, " ", r.Tenant.Step, " ", r.User)
		}, []string{
			"77 77  bob: 2, 170 ms", "   : 9, 380 ms", kernel}},
		ByTree: {func(r *snapshot.Row) string { return fmt.Sprint(r.Group, " ", r.PID, " ", r.Start.Unix()) }, []string{
			"shim 9 1009: 3, 40 ms", "nginx 30 1030: 1, 50 ms", "mpi 50 1050: 1, 80 ms", "mpi 51 1051: 1, 90 ms", "app 20 1020: 1, 30 ms",
			"proxy 21 1021: 1, 30 ms", "sh 40 1040: 1, 60 ms", "sh 41 1041: 1, 70 ms", "lone 60 1060: 1, 100 ms", kernel}},
	} {
		t.Run(by, func(t *testing.T) {
			total, n := inhabited(t, Config{By: by}, tenants())
			slices.Sort(tt.want)
			if got := accountsOf(total, tt.show); !slices.Equal(got, tt.want) {
				t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
			}
			// 11 processes beside two kernel threads; of those that are not, 20, 21, 40, 41 and 60 are not among the Processes.
			if total.ProcessesSeen != 11 || total.Losses.UnknownProcesses != 5 {
				t.Errorf("%d processes seen, %d unknown", total.ProcessesSeen, total.Losses.UnknownProcesses)
			}
			for i := range total.Rows {
				if c := total.Rows[i].Tenant.Container; by != ByContainer && c != nil && c.Labels != nil {
					t.Errorf("labels in a row by %s: %+v", by, c)
				}
			}
			if by == ByContainer && n.asked[container.Key{Runtime: "docker", ID: dbID}] == 0 {
				t.Errorf("nobody asked for the name that is not known: %v", n.asked)
			}
		})
	}
	if len(Groupings) != 10 {
		t.Errorf("%d groupings", len(Groupings))
	}
}

// A process's row tells what is known of it.
func TestRowOfAProcess(t *testing.T) {
	total, _ := inhabited(t, Config{By: ByProcess}, tenants())
	r := find(total, snapshot.Process, 11)
	if r.Exe != "/bin/web" || !slices.Equal(r.Args, []string{"web", "-v"}) || r.ArgsCut ||
		!slices.Equal(r.Ancestors, []snapshot.Ancestor{{PID: 10, Comm: "web"}, {PID: 9, Comm: "shim"}, {PID: 1, Comm: "init"}}) {
		t.Errorf("%+v", r)
	}
	if c := r.Tenant.Container; c == nil || c.Name != "shop-web" || c.From != "docker API" || r.Cgroup != "/docker/"+webID || !r.Start.Equal(time.Unix(1011, 0)) {
		t.Errorf("%+v of %+v", r, c)
	}
	if r := find(total, snapshot.Process, 60); r.Exe != "" || r.Args != nil || r.Ancestors != nil || r.Tenant != (snapshot.Tenant{}) {
		t.Errorf("of whom nothing is known: %+v", r)
	}
	if r := find(total, snapshot.Process, 51); r.Tenant.Job != "77" || r.Tenant.Step != "batch" {
		t.Errorf("%+v", r)
	}
}

// Threads have a row each, and their process counts once.
func TestThreads(t *testing.T) {
	a, b := use(10, 0, 100, "main"), use(10, 1, 200, "worker")
	a.TID, b.TID = 10, 17
	show := func(r *snapshot.Row) string { return fmt.Sprint(r.PID, "/", r.TID, " ", r.Comm) }
	script := second{use: []bpf.Usage{a, b}, energy: []units.Microjoules{5_000_001, 1_000_001, 9_000_001}}
	total, _ := inhabited(t, Config{By: ByThread}, script)
	if got := accountsOf(total, show); !slices.Equal(got, []string{"10/10 main: 1, 100 ms", "10/17 worker: 1, 200 ms"}) || total.ProcessesSeen != 1 {
		t.Errorf("%q, %d seen", got, total.ProcessesSeen)
	}
}

// A container's scope is a unit too: its row has the container's name, and its labels only by container.
func TestLabelsAreOfContainersOnly(t *testing.T) {
	u := use(70, 0, 100, "x")
	u.Cgroup = cgScope
	for _, by := range Groupings {
		total, _ := inhabited(t, Config{By: by}, second{use: []bpf.Usage{u}, energy: tenants().energy})
		c := total.Rows[0].Tenant.Container
		want := slices.Contains([]string{ByProcess, ByThread, ByCgroup, ByContainer, ByUnit}, by)
		if (c != nil) != want || c != nil && (c.Name != "lab" || (c.Labels["k"] == "v") != (by == ByContainer)) {
			t.Errorf("by %s: %+v", by, c)
		}
	}
}

// Overflow belongs to nobody, in every grouping, and no cgroup is looked for on its behalf.
func TestGroupingsKeepOverflowApart(t *testing.T) {
	for _, by := range Groupings {
		s := tenants()
		s.overflow = []time.Duration{333 * time.Millisecond, 0}
		total, _ := inhabited(t, Config{By: by, Select: Selection{Cgroups: []string{"/nothing"}}}, s, s)
		got := accountsOf(total, nil)
		if !slices.Equal(got, []string{"(others): 13, 1260 ms", "(overflow): 0, 666 ms"}) || total.Losses.UnknownCgroups != 0 {
			t.Errorf("by %s: %q, %d cgroups unknown", by, got, total.Losses.UnknownCgroups)
		}
	}
}

// Events reach those who keep them.
func TestListenAndAsk(t *testing.T) {
	cgs, ps := identity.OpenCgroups(""), identity.NewProcesses(10)
	n := &names{asked: map[container.Key]int{}}
	listen := Listen(ps, cgs, n, t.TempDir()) // where no process is found
	for _, e := range []bpf.Event{
		{Kind: bpf.Fork, TGID: 5, Start: 1, PPID: 1, Comm: []byte("a")},
		{Kind: bpf.Exec, TGID: 5, Start: 1, PPID: 1, Comm: []byte("b"), Exe: []byte("/b"), Args: []byte("b\x00c"), ArgsTotal: 9},
		{Kind: bpf.Fork, TGID: 6, Start: 2, PPID: 5, ParentStart: 1, Comm: []byte("b")},
		{Kind: bpf.Fork, TGID: 7, Start: 2, PPID: 5, ParentStart: 1, Comm: []byte("b")},
		{Kind: bpf.Exit, TGID: 6, Start: 2},
		{Kind: bpf.LookingAgain},
		{Kind: bpf.Found, TGID: 5, Start: 1, Comm: []byte("b")},
		{Kind: bpf.AllFound}, // 7 is not there any more
		{Kind: bpf.CgroupMade, Cgroup: 50, Path: []byte("/docker/" + webID)},
		{Kind: bpf.CgroupMade, Cgroup: 51, Path: []byte("/system.slice/x.service")},
		{Kind: bpf.CgroupMoved, Cgroup: 51, Path: []byte("/system.slice/y.service")},
		{Kind: bpf.CgroupGone, Cgroup: 50},
	} {
		listen(&e)
	}
	p, _ := ps.Get(identity.ProcessKey{TGID: 5, Start: 1})
	if d := ps.Describe(p); d.Exe != "/b" || d.Args != "b\x00c" || !d.ArgsCut {
		t.Errorf("%+v", d)
	}
	ps.Step()
	ps.Step()
	if ps.Len() != 1 {
		t.Errorf("%d processes", ps.Len())
	}
	if len(n.asked) != 1 || n.asked[container.Key{Runtime: "docker", ID: webID}] != 1 {
		t.Errorf("asked for %v", n.asked)
	}
	if cgs.Path(51) != "/system.slice/y.service" || cgs.Path(50) != "/docker/"+webID {
		t.Errorf("%q, %q", cgs.Path(51), cgs.Path(50))
	}
	if !AskNames(cgs, n) || n.asked[container.Key{Runtime: "docker", ID: webID}] != 2 {
		t.Errorf("asked for %v", n.asked)
	}
	cgs.Made(50, "/docker")
	if AskNames(cgs, n) {
		t.Error("there are no containers")
	}
}
