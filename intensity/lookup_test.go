package intensity

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

func TestLookupEveryRow(t *testing.T) {
	rows, err := readRows(countryCSV, "alpha2,alpha3,name,gco2e_per_kwh,year,basis,method,flag,source")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 209 {
		t.Errorf("%d countries, want 209", len(rows))
	}
	var own, stoodIn, old, queries int
	for _, r := range rows {
		want := Factor{}
		for _, query := range []string{r[0], r[1], r[2], strings.ToLower(r[0]), strings.ToLower(r[2]), strings.ToUpper(r[2]), " " + r[1] + "\n"} {
			queries++
			f, err := Lookup(query)
			if err != nil {
				t.Errorf("%q: %v", query, err)
				continue
			}
			if want.Region == "" {
				want = f
			}
			if f != want || f.Guess || f.GramsPerKWh <= 0 || f.Basis != "lifecycle" || f.Method != "production" {
				t.Errorf("%q: %+v, want as for %s: %+v", query, f, r[0], want)
			}
		}
		switch want.Region {
		case r[0]:
			own++
			if grams, err := strconv.ParseFloat(r[3], 64); err != nil || want.GramsPerKWh != grams || strconv.Itoa(want.Year) != r[4] {
				t.Errorf("%s: %+v, the row says %s in %s", r[0], want, r[3], r[4])
			}
			if want.Name != r[2] || want.How != "given by --region" || want.Source != r[8] || (r[7] == "old") != (want.Note != "") {
				t.Errorf("%s: %+v", r[0], want)
			}
			if want.Note != "" {
				old++
			}
		case "WORLD":
			stoodIn++
		}
	}
	t.Logf("%d queries for %d rows: %d with their own factor (%d noted as old), %d with the world average", queries, len(rows), own, old, stoodIn)
	if own != 208 || stoodIn != 1 || old != 38 {
		t.Errorf("want 208 of their own, 38 of them old, and 1 stood in for")
	}
}

func TestLookupEveryISO(t *testing.T) {
	var found, refused int
	for _, c := range load().countries {
		for _, query := range []string{c.alpha2, c.alpha3, c.isoName, strings.ToLower(c.isoName)} {
			f, err := Lookup(query)
			var none *NoFactorError
			switch {
			case err == nil && f.GramsPerKWh > 0 && (f.Region == c.alpha2 || c.suspect):
				found++
			case errors.As(err, &none) && none.Region == c.alpha2 && strings.Contains(err.Error(), "--factor") && strings.Contains(err.Error(), "--region"):
				refused++
			default:
				t.Errorf("%q of %s: %+v, %v", query, c.alpha2, f, err)
			}
		}
	}
	t.Logf("%d queries gave a factor, %d a reasoned refusal", found, refused)
	if n := len(load().countries); n != 250 || found != 4*209 || refused != 4*41 {
		t.Errorf("%d iso countries; want 250, 209 with and 41 without a factor", n)
	}
}

func TestLookupNames(t *testing.T) {
	for query, want := range map[string]string{
		"FR": "FR", "fra": "FR", "France": "FR", "fRANCE": "FR", "UK": "GB", "u.k.": "GB", "Great Britain": "GB", "USA": "US", "u.s.a.": "US",
		"the United States of America": "US", "Russia": "RU", "Russian Federation": "RU", "South Korea": "KR", "Republic of Korea": "KR", "North Korea": "KP",
		"Czech Republic": "CZ", "czechia": "CZ", "Ivory Coast": "CI", "Côte d’Ivoire": "CI", "COTE D'IVOIRE": "CI", "Cote d Ivoire": "CI", "Vietnam": "VN",
		"Viet-Nam": "VN", "Iran": "IR", "Islamic Republic of Iran": "IR", "Turkey": "TR", "Türkiye": "TR", "Tu\u0308rkiye": "TR", "turkiye": "TR",
		"Holland": "NL", "The Netherlands": "NL", "Bosnia & Herzegovina": "BA", "Bosnia and Herzegovina": "BA", "St. Lucia": "LC", "st kitts & nevis": "KN",
		"Hong Kong": "HK", "Taiwan": "TW", "Macau": "MO", "Laos": "LA", "Syria": "SY", "Burma": "MM", "Swaziland": "SZ", "Congo": "CG", "DRC": "CD",
		"Democratic Republic of the Congo": "CD", "guinea bissau": "GW", "Réunion": "RE", "Philippines": "PH", "Kosovo": "XK", "Bolivia": "BO",
		"Venezuela": "VE", "Tanzania": "TZ", "Moldova": "MD", "Brunei": "BN", "Macedonia": "MK", "Cape Verde": "CV", "UAE": "AE", "Palestine": "PS",
		"US Virgin Islands": "VI", "British Virgin Islands": "VG", "world": "WORLD", "WORLD": "WORLD", "Global": "WORLD", "São Tomé and Príncipe": "ST",
	} {
		f, err := Lookup(query)
		if err != nil || f.Region != want {
			t.Errorf("%q: %q, %v; want %s", query, f.Region, err, want)
		}
	}
	for alias, alpha2 := range aliases {
		if i, ok := load().find(alias); !ok || load().countries[i].alpha2 != alpha2 {
			t.Errorf("alias %q does not give %s", alias, alpha2)
		}
	}
}

func TestLookupValues(t *testing.T) {
	f, err := Lookup("FR")
	want := Factor{Region: "FR", Name: "France", GramsPerKWh: 44.18, Year: 2024, Source: "Ember Yearly Electricity Data via CO2.js 0.19.0",
		Basis: "lifecycle", Method: "production", How: "given by --region"}
	if err != nil || f != want {
		t.Errorf("%+v, %v; want %+v", f, err, want)
	}
	if f, err = Lookup("WORLD"); err != nil || f.GramsPerKWh != 472.94 || f.Year != 2024 || f.Guess {
		t.Errorf("%+v, %v", f, err)
	}
	f, err = Lookup("CAF")
	if err != nil || f.Region != "WORLD" || f.GramsPerKWh != 472.94 || !strings.Contains(f.How, "CF (Central African Republic)") || f.Note == "" {
		t.Errorf("a suspect zero: %+v, %v", f, err)
	}
	if f = World("nothing is known"); !f.Guess || f.How != "world average: nothing is known" || f.Region != "WORLD" {
		t.Errorf("%+v", f)
	}
}

func TestUnknown(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, c := range []struct{ query, nearest, text string }{
		{"Frnace", "FR (France)", `look up the region "Frnace": unknown; nearest is FR (France)`},
		{"Germny", "DE (Germany)", ""},
		{"Untied Kingdom", "GB (United Kingdom)", ""},
		{"Austrla", "", ""},
		{"Switz", "CH (Switzerland)", ""},
		{"Korea", "", ""},
		{"US-CA", "US (United States)", ""},
		{"wrold", "WORLD (World)", ""},
		{"", "", "look up the region: none given"},
		{"xyzzyxyzzy", "", `look up the region "xyzzyxyzzy": unknown`},
		{"FR\x00", "", `look up the region "FR\x00": unknown`},
		{"\x1b[2Jx\xff\n", "", `look up the region "\x1b[2Jx\xff\n": unknown`},
		{long, "", `look up the region "` + long[:128] + `": unknown`},
	} {
		_, err := Lookup(c.query)
		var unknown *UnknownRegionError
		if !errors.As(err, &unknown) {
			t.Errorf("%.40q: %v", c.query, err)
			continue
		}
		t.Log(strings.ReplaceAll(err.Error(), long[:128], "(128 x)"))
		if c.text != "" && err.Error() != c.text {
			t.Errorf("%.200s, want %s", err, c.text)
		}
		if c.nearest != "" && (len(unknown.Nearest) == 0 || unknown.Nearest[0] != c.nearest) {
			t.Errorf("%q: nearest are %q, want first %s", c.query, unknown.Nearest, c.nearest)
		}
	}
}
