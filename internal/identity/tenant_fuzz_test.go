package identity

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	wantPodUID  = regexp.MustCompile(`^([0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)
	wantEscape  = regexp.MustCompile(`\\x[0-9a-fA-F]{2}`)
	wantText    = regexp.MustCompile(`^[!-~]*$`)
	wantUnit    = regexp.MustCompile(`^(openrc\..+|.+\.(service|scope|socket|mount|swap))?$`)
	wantSlice   = regexp.MustCompile(`^(.+\.slice)?$`)
	wantSession = regexp.MustCompile(`^[0-9A-Za-z]*$`)
)

func FuzzParseTenant(f *testing.F) {
	for _, row := range readTenantRows(f) {
		f.Add(row.path)
	}
	f.Add(strings.Repeat("/..", 2000))
	f.Fuzz(func(t *testing.T, path string) {
		got := ParseTenant(path)
		if again := ParseTenant(path); got != again {
			t.Fatalf("%+v, then %+v", got, again)
		}
		checkTenantText(t, got)
		plain := wantEscape.ReplaceAllStringFunc(path, func(s string) string {
			c, err := strconv.ParseUint(s[2:], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			return string([]byte{byte(c)})
		})
		if !strings.Contains(plain, got.Container) && !strings.Contains(path, got.Container) {
			t.Errorf("container %q is not of the path", got.Container)
		}
		for _, s := range []string{got.Unit, got.Slice, got.Session, got.Job, got.Step} {
			if !strings.Contains(path, s) {
				t.Errorf("%q is not of the path", s)
			}
		}
		if got.Owner != -1 && !strings.Contains(path, strconv.FormatInt(got.Owner, 10)) {
			t.Errorf("owner %d is not of the path", got.Owner)
		}
	})
}

// checkTenantText checks the fields by themselves.
func checkTenantText(t *testing.T, got Tenant) {
	t.Helper()
	for _, s := range []string{got.Runtime, got.Container, got.Unit, got.Slice, got.Session, got.Job, got.Step} {
		if !wantText.MatchString(s) || len(s) > 255 {
			t.Errorf("not short printable ASCII: %q", s)
		}
	}
	switch got.QoS {
	case "guaranteed", "burstable", "besteffort":
		if !wantPodUID.MatchString(got.PodUID) {
			t.Errorf("pod %q", got.PodUID)
		}
	default:
		if got.QoS != "" || got.PodUID != "" {
			t.Errorf("pod %q of class %q", got.PodUID, got.QoS)
		}
	}
	switch {
	case got.Runtime != "" && got.Container == "":
		t.Errorf("a runtime without a container: %+v", got)
	case got.Runtime == "" && got.Container != "" && got.PodUID == "":
		t.Errorf("a container of nobody: %+v", got)
	case got.Step != "" && got.Job == "":
		t.Errorf("a step without a job: %+v", got)
	case got.UserUnit && got.Unit == "":
		t.Errorf("a user's unit without a unit: %+v", got)
	case got.Owner < -1 || got.Owner >= 1<<32-1:
		t.Errorf("owner %d", got.Owner)
	case !wantUnit.MatchString(got.Unit), !wantSlice.MatchString(got.Slice), !wantSession.MatchString(got.Session):
		t.Errorf("unit %q, slice %q, session %q", got.Unit, got.Slice, got.Session)
	}
}
