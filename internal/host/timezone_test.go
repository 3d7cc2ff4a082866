package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTimeZone(t *testing.T) {
	link := func(root, name, to string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	debian := write(t, t.TempDir(), map[string]string{"etc/timezone": "Europe/Paris\n"})
	linked := write(t, t.TempDir(), map[string]string{"etc/timezone": "Europe/Paris\n"})
	link(linked, "etc/localtime", "../usr/share/zoneinfo/America/Argentina/Ushuaia")
	twice := write(t, t.TempDir(), map[string]string{"etc/x": ""})
	link(twice, "etc/zone", "/usr/share/zoneinfo/right/Asia/Tokyo")
	link(twice, "etc/localtime", "zone")
	loop := write(t, t.TempDir(), map[string]string{"etc/x": ""})
	link(loop, "etc/localtime", "localtime")
	const unset = "(unset)"
	for _, c := range []struct{ root, tz, want string }{
		{debian, unset, "Europe/Paris"},
		{linked, unset, "America/Argentina/Ushuaia"},
		{twice, unset, "Asia/Tokyo"},
		{loop, unset, ""},
		{t.TempDir(), unset, ""},
		{linked, "Europe/Berlin", "Europe/Berlin"},
		{linked, ":Europe/Berlin", "Europe/Berlin"},
		{linked, "", "UTC"},
		{linked, ":/etc/localtime", "America/Argentina/Ushuaia"},
		{linked, "/usr/share/zoneinfo/Europe/Rome", "Europe/Rome"},
		{linked, "/etc/nothing", ""},
	} {
		t.Setenv("TZ", c.tz)
		if c.tz == unset {
			if err := os.Unsetenv("TZ"); err != nil {
				t.Fatal(err)
			}
		}
		if got := TimeZone(c.root); got != c.want {
			t.Errorf("%s with TZ=%q: %q, want %q", c.root, c.tz, got, c.want)
		}
	}
}
