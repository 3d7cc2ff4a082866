package intensity

import (
	"slices"
	"strings"
	"testing"
)

func TestSearch(t *testing.T) {
	all := Search("")
	if len(all) != 210 || all[209].Region != "WORLD" {
		t.Fatalf("%d regions, the last is %s; want 210, WORLD", len(all), all[len(all)-1].Region)
	}
	if !slices.IsSortedFunc(all[:209], func(a, b Factor) int { return strings.Compare(a.Region, b.Region) }) {
		t.Error("not sorted by alpha-2")
	}
	for _, f := range all {
		if f.GramsPerKWh <= 0 || f.Region == "CF" && (f.GramsPerKWh != 472.94 || f.Note == "") {
			t.Errorf("listed with an unusable value: %+v", f)
		}
	}
	for query, want := range map[string]string{
		"fr": "FR GF PF", "FRA": "FR", "franc": "FR", "korea": "KP KR", "guinea": "GN GQ GW PG", "united s": "US VI", "united k": "GB", "côte": "CI", "britain": "GB", "world": "WORLD",
		"monaco": "", "\x00": "", "the": "", "and": "", strings.Repeat("a", 1000): "",
	} {
		var got []string
		for _, f := range Search(query) {
			got = append(got, f.Region)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%.40q: %q, want %q", query, s, want)
		}
	}
}

func TestNotices(t *testing.T) {
	for _, want := range []string{"Electricity data: Ember (CC BY 4.0)", "CC BY-SA 4.0", "The Green Web Foundation", "Permission is hereby granted", "public domain"} {
		if !strings.Contains(Notices(), want) {
			t.Errorf("the notices lack %q", want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	edit := func(s, old, new string) string {
		if !strings.Contains(s, old) {
			t.Fatalf("no %q to edit", old)
		}
		return strings.Replace(s, old, new, 1)
	}
	for name, in := range map[string][5]string{
		"header":            {edit(isoCSV, "alpha2", "code"), countryCSV, aggregateCSV, zoneCSV, zoneAliasCSV},
		"negative factor":   {isoCSV, edit(countryCSV, ",44.18,", ",-44.18,"), aggregateCSV, zoneCSV, zoneAliasCSV},
		"not a number":      {isoCSV, edit(countryCSV, ",44.18,", ",NaN,"), aggregateCSV, zoneCSV, zoneAliasCSV},
		"unknown flag":      {isoCSV, edit(countryCSV, ",ok,", ",fine,"), aggregateCSV, zoneCSV, zoneAliasCSV},
		"wrong pair":        {isoCSV, edit(countryCSV, "FR,FRA", "FR,FRO"), aggregateCSV, zoneCSV, zoneAliasCSV},
		"no world":          {isoCSV, countryCSV, edit(aggregateCSV, "WORLD", "EARTH"), zoneCSV, zoneAliasCSV},
		"time zone twice":   {isoCSV, countryCSV, aggregateCSV, zoneCSV, zoneAliasCSV + "Europe/Paris,FR\n"},
		"time zone nowhere": {isoCSV, countryCSV, aggregateCSV, edit(zoneCSV, "Europe/Paris,FR", "Europe/Paris,ZZ"), zoneAliasCSV},
		"name twice":        {isoCSV, edit(countryCSV, "FR,FRA,France", "FR,FRA,Germany"), aggregateCSV, zoneCSV, zoneAliasCSV},
	} {
		_, err := parse(in[0], in[1], in[2], in[3], in[4])
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		t.Logf("%s: %v", name, err)
	}
}

// An unreviewed value, as the generator marks it, is used with a caution; a zero never, whatever its flag.
func TestFlags(t *testing.T) {
	tab, err := parse(isoCSV, strings.Replace(countryCSV, ",44.18,2024,lifecycle,production,ok,", ",45,0,lifecycle,production,unreviewed,", 1), aggregateCSV, zoneCSV, zoneAliasCSV)
	if err != nil {
		t.Fatal(err)
	}
	if f := tab.countries[tab.codes["FR"]].factor; f.Year != 0 || f.Note == "" || f.GramsPerKWh != 45 {
		t.Errorf("unreviewed: %+v", f)
	}
	if tab, err = parse(isoCSV, strings.Replace(countryCSV, ",44.18,", ",0,", 1), aggregateCSV, zoneCSV, zoneAliasCSV); err != nil || !tab.countries[tab.codes["FR"]].suspect {
		t.Errorf("a zero flagged ok passes: %v", err)
	}
}
