package intensity

import (
	"fmt"
	"strconv"
	"strings"
)

// zone is a time zone's own name, which a message can print unescaped, and its country.
type zone struct {
	name    string
	country int
}

func (t *tables) addZones(text string) error {
	rows, err := readRows(text, "tz,alpha2")
	if err != nil {
		return err
	}
	for _, r := range rows {
		i, ok := t.codes[r[1]]
		if _, twice := t.zones[r[0]]; !ok || twice {
			return fmt.Errorf("%s: unknown country %s or second row", r[0], r[1])
		}
		t.zones[r[0]] = zone{name: r[0], country: i}
	}
	return nil
}

// zone finds the row of a time zone as TZ, /etc/timezone or the target of /etc/localtime give it.
func (t *tables) zone(tz string) (zone, bool) {
	tz = strings.TrimPrefix(tz, ":")
	if _, after, ok := strings.Cut(tz, "/zoneinfo/"); ok {
		tz = after
	}
	tz = strings.TrimPrefix(strings.TrimPrefix(tz, "posix/"), "right/")
	z, ok := t.zones[tz]
	return z, ok
}

// FromTimeZone returns the factor of the country whose time zone tz is: an IANA name, an older one ("Asia/Calcutta"), or the path of its file. It reports
// false for zones of no country (Etc/UTC, GMT, EST5EDT), and for a country that has no usable factor. Guess is set: a clock says where it is set, not where it stands.
func FromTimeZone(tz string) (Factor, bool) {
	t := load()
	z, ok := t.zone(tz)
	if !ok {
		return Factor{}, false
	}
	c := &t.countries[z.country]
	if !c.hasFactor || c.suspect {
		return Factor{}, false
	}
	f := c.factor
	f.Guess, f.How = true, "guess from time zone "+z.name
	return f, true
}

// Guess returns the factor for when no region was given: that of the time zone's country, else the world average, with How saying why. tz may be empty.
func Guess(tz string) Factor {
	if f, ok := FromTimeZone(tz); ok {
		return f
	}
	t := load()
	z, ok := t.zone(tz)
	if !ok && tz == "" {
		return World("no region given and no time zone known")
	}
	if !ok {
		return World("no region given and the time zone (" + printable(tz) + ") names no country")
	}
	c := &t.countries[z.country]
	why := "has no factor"
	if c.suspect {
		why = "has an implausible 0 g/kWh in the table"
	}
	return World("no region given and the time zone's country, " + c.label() + ", " + why)
}

// printable makes a time zone from the environment fit for a message: quoted and cut unless it looks like one.
func printable(tz string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/_+-:<>,.", r)
	}
	if len(tz) > 64 {
		tz = tz[:64] + "..."
	}
	if strings.ContainsFunc(tz, func(r rune) bool { return !plain(r) }) {
		return strconv.Quote(tz)
	}
	return tz
}
