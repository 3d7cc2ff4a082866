package privilege

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// asNobody runs the helper as a user other than root, with those ambient capabilities.
func asNobody(t *testing.T, name string, caps []uintptr, args ...string) report {
	needRoot(t)
	cmd := helperCommand(t, name, args...)
	bin, err := os.ReadFile(cmd.Path)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = t.TempDir() + "/helper" // the build's own directory is closed to others
	if err := os.WriteFile(cmd.Path, bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := cmd.Path; dir != os.TempDir() && dir != "/"; dir = dir[:strings.LastIndexByte(dir, '/')] {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: caps}
	return run(t, cmd)
}

func TestUserWithAmbientCapabilities(t *testing.T) {
	const perfmon = 38
	r := asNobody(t, "as is", []uintptr{uintptr(BPF), uintptr(DACReadSearch), perfmon})
	mask := fmt.Sprintf("%016x", 1<<BPF|1<<DACReadSearch)
	none := strings.Repeat("0", 16)
	r.everyThread(t, map[string]string{"CapEff": mask, "CapPrm": mask, "CapInh": none, "CapAmb": none, "NoNewPrivs": "1"})
	if !slices.Equal(r.Held.Caps, []string{"CAP_DAC_READ_SEARCH", "CAP_BPF"}) || r.Held.UID != 65534 {
		t.Errorf("held: %+v", r.Held)
	}
	if !slices.ContainsFunc(r.Held.Notes, func(s string) bool { return strings.Contains(s, "bounding set") }) {
		t.Errorf("that the bounding set stays is no secret: notes %q", r.Held.Notes)
	}
}

func TestNothingHeld(t *testing.T) {
	r := asNobody(t, "as is", nil)
	r.everyThread(t, map[string]string{"CapEff": strings.Repeat("0", 16), "NoNewPrivs": "1"})
	if len(r.Held.Caps) != 0 {
		t.Errorf("held: %+v", r.Held)
	}
}

// A path that may not even be looked at is said, and costs no fence.
func TestUnreachablePath(t *testing.T) {
	closed := t.TempDir()
	needRoot(t)
	if err := os.Mkdir(closed+"/in", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	r := asNobody(t, "as is", nil, closed+"/in")
	landlocked := slices.ContainsFunc(r.Held.Fences, func(s string) bool { return strings.HasPrefix(s, "landlock") })
	said := slices.ContainsFunc(r.Held.Notes, func(s string) bool { return strings.Contains(s, closed) })
	if landlocked != said {
		t.Errorf("fences %q, notes %q", r.Held.Fences, r.Held.Notes)
	}
}

// The command of run is started before the drop, and keeps everything.
func TestEarlierChildKeepsAll(t *testing.T) {
	needRoot(t)
	r := run(t, helperCommand(t, "with child"))
	r.wants(t, true, "child writes a file")
	var before, after string
	for line := range strings.Lines(r.Did["child's status"]) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "CapEff":
			after = strings.TrimSpace(value)
		case "NoNewPrivs", "Seccomp":
			if strings.TrimSpace(value) != "0" {
				t.Errorf("the child has %s", line)
			}
		}
	}
	if before = r.Did["effective before"]; before != after || after == "" {
		t.Errorf("the child had %s, and has %s", before, after)
	}
}

func init() {
	helpers["with child"] = func(r *report, _ []string) {
		text, err := os.ReadFile("/proc/self/status")
		r.try("read own status", err)
		st, err := parseStatus(text)
		r.try("parse own status", err)
		r.Did["effective before"] = fmt.Sprintf("%016x", st.effective)
		cmd := exec.Command("sh", "-c", "read go; cat /proc/$$/status; : >/dev/null && f=$(mktemp) && rm $f")
		in, err := cmd.StdinPipe()
		r.try("pipe", err)
		var out strings.Builder
		cmd.Stdout = &out
		r.try("start", cmd.Start())
		r.drop(Needs{Read: []string{"/proc"}, Signals: true})
		_, err = in.Write([]byte("go\n"))
		r.try("tell the child", err)
		r.try("child writes a file", cmd.Wait())
		r.Did["child's status"] = out.String()
	}
}
