package output

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
)

func TestGroupLabel(t *testing.T) {
	id := "b43d92bf1e5c" + strings.Repeat("7", 52)
	docker := func(name string) *snapshot.Container {
		return &snapshot.Container{ID: id, Name: name, Runtime: "docker"}
	}
	for _, tt := range []struct {
		by   string
		row  snapshot.Row
		want string
	}{
		{"command", snapshot.Row{Group: "sh"}, "sh"},
		{"command", snapshot.Row{}, ""}, // a process may call itself nothing
		{"user", snapshot.Row{Group: "ann"}, "ann"},
		{"cgroup", snapshot.Row{Group: "/a/b"}, "/a/b"},
		{"container", snapshot.Row{}, "(no container)"},
		{"container", snapshot.Row{Group: id, Tenant: snapshot.Tenant{Container: docker("shop")}}, "shop"},
		{"container", snapshot.Row{Group: id, Tenant: snapshot.Tenant{Container: docker("")}}, "docker:b43d92bf1e5c"},
		{"container", snapshot.Row{Group: id, Tenant: snapshot.Tenant{Container: &snapshot.Container{ID: id}}}, "b43d92bf1e5c"},
		{"container", snapshot.Row{Group: "deb", Tenant: snapshot.Tenant{Container: &snapshot.Container{ID: "deb", Runtime: "lxc"}}}, "lxc:deb"},
		{"container", snapshot.Row{Group: id, Tenant: snapshot.Tenant{
			Container: docker("k8s_x"), Pod: &snapshot.Pod{Name: "api-0", Container: "main"}}}, "api-0/main"},
		{"container", snapshot.Row{Group: id, Tenant: snapshot.Tenant{Container: docker("k8s_x"), Pod: &snapshot.Pod{UID: "u"}}}, "k8s_x"},
		{"pod", snapshot.Row{}, "(no pod)"},
		{"pod", snapshot.Row{Group: "u", Tenant: snapshot.Tenant{Pod: &snapshot.Pod{UID: "u", Name: "api-0", Namespace: "prod"}}}, "prod/api-0"},
		{"pod", snapshot.Row{Group: "u", Tenant: snapshot.Tenant{Pod: &snapshot.Pod{UID: "u"}}}, "u"},
		{"unit", snapshot.Row{}, "(no unit)"},
		{"unit", snapshot.Row{Group: "a.service"}, "a.service"},
		{"unit", snapshot.Row{Group: "a.service", User: "ann"}, "a.service of ann"},
		{"unit", snapshot.Row{Group: "a.service", Tenant: snapshot.Tenant{Container: docker("x")}}, "a.service in x"},
		{"job", snapshot.Row{Group: "77", User: "bob"}, "77"},
		{"job", snapshot.Row{}, "(no job)"},
		{"tree", snapshot.Row{Group: "sshd", PID: 9}, "sshd 9"},
	} {
		if got := groupLabel(tt.by, &tt.row); got != tt.want {
			t.Errorf("by %s, %+v: %q, want %q", tt.by, tt.row, got, tt.want)
		}
	}
}

// Names of tenants are as hostile as those of processes, and their labels are for JSON only.
func TestHostileTenants(t *testing.T) {
	const label = "label-that-nobody-asked-for"
	for _, by := range []string{"container", "pod", "unit", "job", "tree", "cgroup", "command", "user", "process", "thread"} {
		for _, withPod := range []bool{false, true} {
			s := sample(snapshot.Window)
			s.By = by
			r := &s.Rows[0]
			r.Group, r.Exe, r.Args, r.User = hostile, hostile, []string{hostile}, hostile
			r.Tenant = snapshot.Tenant{Unit: hostile, Job: hostile, Container: &snapshot.Container{
				ID: hostile, Name: hostile, Runtime: hostile, Image: hostile, Labels: map[string]string{label: label + hostile}}}
			if by != "process" && by != "thread" {
				r.Kind = snapshot.Group
			}
			if withPod || by == "pod" {
				r.Tenant.Pod = &snapshot.Pod{UID: hostile, Name: hostile, Namespace: hostile, Container: hostile}
			}
			var b bytes.Buffer
			if err := (&Table{W: &b}).Show(s); err != nil {
				t.Fatal(err)
			}
			out := b.String()
			if !utf8.ValidString(out) || strings.Count(out, "\n") != 10 || strings.Contains(out, "label-that") {
				t.Errorf("by %s:\n%q", by, out)
			}
			for _, c := range out {
				if c != '\n' && (c < 0x20 || c == 0x7f || c == 0x202e || c == 0x200b) {
					t.Errorf("by %s: control character %U in:\n%q", by, c, out)
				}
			}
			b.Reset()
			if err := (JSON{&b}).Show(s); err != nil {
				t.Fatal(err)
			}
			if !utf8.Valid(b.Bytes()) || bytes.Count(b.Bytes(), []byte("\n")) != 1 || !strings.Contains(b.String(), label) || strings.ContainsRune(b.String(), 0x1b) {
				t.Errorf("by %s: %q", by, b.String())
			}
		}
	}
}
