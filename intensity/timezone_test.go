package intensity

import (
	"strings"
	"testing"
)

func TestEveryTimeZone(t *testing.T) {
	var with, without int
	for name, z := range load().zones {
		c := load().countries[z.country]
		f, ok := FromTimeZone(name)
		if ok != (c.hasFactor && !c.suspect) {
			t.Errorf("%s: %t for %s", name, ok, c.label())
		}
		g := Guess(name)
		if !g.Guess || g.GramsPerKWh <= 0 || g.How == "" || ok && g != f || !ok && g.Region != "WORLD" {
			t.Errorf("%s: %+v", name, g)
		}
		if ok {
			with++
			if f.Region != c.alpha2 || f.How != "guess from time zone "+name {
				t.Errorf("%s: %+v", name, f)
			}
		} else {
			without++
			if !strings.Contains(g.How, c.label()) {
				t.Errorf("%s: %s does not name %s", name, g.How, c.label())
			}
		}
	}
	t.Logf("%d time zones give a factor, %d do not", with, without)
	if with+without != 418+124 {
		t.Errorf("%d time zones, want 418 and 124 aliases", with+without)
	}
}

func TestGuess(t *testing.T) {
	for _, c := range []struct{ tz, region, how string }{
		{"Europe/Paris", "FR", "guess from time zone Europe/Paris"},
		{":Europe/Paris", "FR", "guess from time zone Europe/Paris"},
		{"/usr/share/zoneinfo/posix/Europe/Paris", "FR", "guess from time zone Europe/Paris"},
		{"Asia/Calcutta", "IN", "guess from time zone Asia/Calcutta"},
		{"US/Pacific", "US", "guess from time zone US/Pacific"},
		{"Iceland", "IS", "guess from time zone Iceland"},
		{"Africa/Asmera", "ER", "guess from time zone Africa/Asmera"},
		{"", "WORLD", "world average: no region given and no time zone known"},
		{"Etc/UTC", "WORLD", "world average: no region given and the time zone (Etc/UTC) names no country"},
		{"GMT", "WORLD", "world average: no region given and the time zone (GMT) names no country"},
		{"EST5EDT", "WORLD", "world average: no region given and the time zone (EST5EDT) names no country"},
		{"\x1b]0;x\a", "WORLD", `world average: no region given and the time zone ("\x1b]0;x\a") names no country`},
		{"Europe/Monaco", "WORLD", "world average: no region given and the time zone's country, MC (Monaco), has no factor"},
		{"Africa/Bangui", "WORLD", "world average: no region given and the time zone's country, CF (Central African Republic), has an implausible 0 g/kWh in the table"},
	} {
		f := Guess(c.tz)
		if f.Region != c.region || f.How != c.how || !f.Guess || f.GramsPerKWh <= 0 {
			t.Errorf("%q: %+v, want %s, %s", c.tz, f, c.region, c.how)
		}
	}
	for _, tz := range []string{"UTC", "Etc/UTC", "Etc/GMT-3", "GMT", "Zulu", "CET", "Factory", "localtime", "<+03>-3"} {
		if f, ok := FromTimeZone(tz); ok {
			t.Errorf("%s gives %s", tz, f.Region)
		}
	}
}
