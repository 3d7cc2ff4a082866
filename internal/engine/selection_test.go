package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
)

// chosen are the pids that a selection gives rows, having checked that the rest is one row.
func chosen(t *testing.T, cfg Config, s second) string {
	t.Helper()
	cfg.By = ByProcess
	total, _ := inhabited(t, cfg, s, s)
	var pids []int
	others, rest, all := 0, 0.0, 0.0
	for i := range total.Rows {
		switch r := &total.Rows[i]; r.Kind {
		case snapshot.Process, snapshot.Kernel:
			pids = append(pids, r.PID)
			all += r.CPUSeconds
		case snapshot.Others:
			others++
			rest = r.CPUSeconds
			if r.Processes != len(s.use)-len(total.Rows)+3 { // beside others there are idle and unattributed
				t.Errorf("%d others: %+v", r.Processes, total.Rows)
			}
			if r.PID != 0 || r.Comm != "" || r.UID != -1 || r.Cgroup != "" {
				t.Errorf("others have a name: %+v", r)
			}
		}
	}
	for _, u := range s.use {
		all -= 2 * u.Time.Seconds()
	}
	if want := min(1, len(s.use)-len(pids)); others != want || all+rest > 1e-9 || all+rest < -1e-9 {
		t.Errorf("%d rows of others with %v s, %v s lost", others, rest, all+rest)
	}
	slices.Sort(pids)
	return strings.Trim(fmt.Sprint(pids), "[]")
}

func TestSelection(t *testing.T) {
	const everyone = "3 4 10 11 12 20 21 30 40 41 50 51 60"
	for _, tt := range []struct {
		s    Selection
		want string
	}{
		{Selection{}, everyone},

		{Selection{Comms: []string{"web"}}, "10 11"},
		{Selection{Comms: []string{"web", "db", "none"}}, "10 11 12"},
		{Selection{Comms: []string{"[wd]*b"}}, "10 11 12"},
		{Selection{Comms: []string{"we"}}, ""},
		{Selection{Comms: []string{"k*"}}, ""}, // a * stops at a slash
		{Selection{Comms: []string{"kworker/*"}}, "3"},

		{Selection{Users: []string{"ann"}}, "40 60"},
		{Selection{Users: []string{"1001"}}, "41 50 51"}, // by number, though it has a name
		{Selection{Users: []string{"b*", "999"}}, "12 41 50 51"},
		{Selection{Users: []string{"root"}}, "10 11 20 21"}, // not the kernel threads
		{Selection{Users: []string{"100"}}, ""},

		{Selection{Cgroups: []string{"/"}}, everyone},
		{Selection{Cgroups: []string{"/system.slice"}}, "12 30"},
		{Selection{Cgroups: []string{"system.slice/"}}, "12 30"},
		{Selection{Cgroups: []string{"/system.slic"}}, ""},
		{Selection{Cgroups: []string{"/*.slice"}}, "12 30 40 41"},
		{Selection{Cgroups: []string{"/user.slice/user-100[01].slice/*/app.slice"}}, "40 41"},
		{Selection{Cgroups: []string{"/mine", "/slurm/uid_1001/job_77/step_0"}}, "50 60"},
		{Selection{Cgroups: []string{"/mine/deeper"}}, ""},

		{Selection{Containers: []string{"shop-web"}}, "10 11"},
		{Selection{Containers: []string{"shop-*"}}, "10 11"},
		{Selection{Containers: []string{webID[:12], dbID[:12]}}, "10 11 12"}, // the beginning of ids
		{Selection{Containers: []string{"aa", webID[:11]}}, ""},              // too short to be no name
		{Selection{Containers: []string{dbID}}, "12"},
		{Selection{Containers: []string{dbID[:12], "k8s_main"}}, "12 20"},
		{Selection{Containers: []string{"a1"}}, ""}, // within an id
		{Selection{Containers: []string{"*"}}, "10 11 12 20 21"},

		{Selection{Pods: []string{"api-0"}}, "20 21"},
		{Selection{Pods: []string{"prod/api-0"}}, "20 21"},
		{Selection{Pods: []string{"pro?/*"}}, "20 21"},
		{Selection{Pods: []string{"test/api-0", "api"}}, ""},
		{Selection{Pods: []string{podUID}}, "20 21"},
		{Selection{Pods: []string{podUID[:8]}}, ""},

		{Selection{Units: []string{"nginx"}}, "30"},
		{Selection{Units: []string{"nginx.service"}}, "30"},
		{Selection{Units: []string{"app"}}, "40 41"},
		{Selection{Units: []string{"*.scope", "ngin?"}}, "12 30"},
		{Selection{Units: []string{"ngin"}}, ""},

		{Selection{Jobs: []string{"77"}}, "50 51"},
		{Selection{Jobs: []string{"77.0"}}, "50"},
		{Selection{Jobs: []string{"77.b*", "78"}}, "51"},
		{Selection{Jobs: []string{"7"}}, ""},

		{Selection{Comms: []string{"sh", "mpi"}, Users: []string{"bob"}}, "41 50 51"},
		{Selection{Comms: []string{"sh", "mpi"}, Users: []string{"bob"}, Jobs: []string{"77.0"}}, "50"},
		{Selection{Containers: []string{webID[:12], mainID[:12]}, Pods: []string{"api-0"}}, "20"},
		{Selection{Units: []string{"app", "nginx"}, Cgroups: []string{"/user.slice/user-1001.slice"}}, "41"},
		{Selection{Units: []string{"nginx"}, Jobs: []string{"77"}}, ""},
		{Selection{Containers: []string{webID[:12], dbID[:12]}, Users: []string{"999"}, Comms: []string{"db"}, Units: []string{"docker-*"},
			Cgroups: []string{"/system.slice"}}, "12"},
	} {
		if got := chosen(t, Config{Select: tt.s}, tenants()); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.s, got, tt.want)
		}
	}
}

// The kernel keeps 15 bytes of a name.
func TestSelectionOfLongNames(t *testing.T) {
	s := second{use: []bpf.Usage{use(70, 0, 10, "chromium-browse"), use(71, 0, 10, "chromium-brows"), use(72, 0, 10, "kworker/u16:12-")},
		energy: tenants().energy}
	for pattern, want := range map[string]string{
		"chromium-browser": "70", "chromium-browse": "70", "chromium-brows": "71", "chromium-brow??-sandbox": "70", "chromium-brows??": "70", "chromium-brows*r": "70",
		"kworker/u16:12-events_unbound": "72", "kworker/u??:12-events": "72", "chromium-bro*": "70 71",
	} {
		if got := chosen(t, Config{Select: Selection{Comms: []string{pattern}}}, s); got != want {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
	}
}

func TestFollowedAndSelected(t *testing.T) {
	s := tenants()
	for i := range s.use {
		if tgid := s.use[i].TGID; tgid == 11 || tgid == 12 || tgid == 41 {
			s.use[i].Root = 1
		}
	}
	for want, cfg := range map[string]Config{
		"11 12 41": {Selected: true},
		"11":       {Selected: true, Select: Selection{Comms: []string{"web"}}},
		"":         {Selected: true, Select: Selection{Comms: []string{"mpi"}}},
		"10 11":    {Select: Selection{Comms: []string{"web"}}},
	} {
		if got := chosen(t, cfg, s); got != want {
			t.Errorf("%+v: %q, want %q", cfg, got, want)
		}
	}
	total, _ := inhabited(t, Config{By: ByContainer, Selected: true}, s)
	got := accountsOf(total, func(r *snapshot.Row) string { return r.Group })
	if want := []string{"(others): 10, 530 ms", ": 1, 70 ms", webID + ": 1, 10 ms", dbID + ": 1, 20 ms"}; !slices.Equal(got, want) || total.ProcessesSeen != 3 {
		t.Errorf("%q, %d seen", got, total.ProcessesSeen)
	}
}

// What a selection and what --top leaves out is one row.
func TestSelectionWithTop(t *testing.T) {
	total, _ := inhabited(t, Config{By: ByProcess, Top: 1, Select: Selection{Users: []string{"bob"}}}, tenants())
	got := accountsOf(total, func(r *snapshot.Row) string { return fmt.Sprint(r.PID) })
	if !slices.Equal(got, []string{"(others): 12, 540 ms", "51: 1, 90 ms"}) {
		t.Errorf("%q", got)
	}
}

func TestBelow(t *testing.T) {
	for _, tt := range []struct {
		cgroup, asked string
		want          bool
	}{
		{"/a", "/a", true}, {"/a/b", "/a", true}, {"/a/b/c", "/a/b", true}, {"/ab", "/a", false}, {"/a", "/a/b", false}, {"/a/bc", "/a/b", false},
		{"/b/a", "/a", false}, {"/", "/a", false}, {"/", "/", true}, {"/a", "", true}, {"/a/b", "a/", true}, {"/ab/c", "/a*", true},
		{"/a/b/c", "/*/b", true}, {"/a/x/c", "/*/b", false}, {"/a/b", "/*/*/*", false}, {"cgroup:7", "/a", false}, {"/a[1]/b", "/a[1]", true},
	} {
		if got := below(tt.cgroup, tt.asked); got != tt.want {
			t.Errorf("%q below %q: %v", tt.cgroup, tt.asked, got)
		}
	}
}

func TestBadPatterns(t *testing.T) {
	for _, bad := range []string{"", "[", "a[", "[]", "[z-", `a\`, "x[a-]"} {
		for i, s := range []Selection{
			{Comms: []string{bad}}, {Users: []string{bad}}, {Cgroups: []string{bad}}, {Containers: []string{"ok", bad}}, {Pods: []string{bad}},
			{Units: []string{bad}}, {Jobs: []string{bad}},
		} {
			m := newMachine()
			_, err := New(Config{Select: s, Interval: time.Second}, Parts{Collector: m, Source: m, Busy: busyOf{m}})
			var config *ConfigError
			if !errors.As(err, &config) || !strings.Contains(err.Error(), fmt.Sprintf("%q", bad)) {
				t.Errorf("list %d accepts %q: %v", i, bad, err)
			}
		}
	}
	for _, good := range []string{"a", "[a-z]*", `\[`, "/a/*", "ns/pod"} {
		if err := (&Selection{Pods: []string{good}}).Check(); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}
