package intensity

import (
	_ "embed" // the tables
	"encoding/csv"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
)

var (
	//go:embed data/country_ember.csv
	countryCSV string
	//go:embed data/aggregate_ember.csv
	aggregateCSV string
	//go:embed data/iso3166.csv
	isoCSV string
	//go:embed data/timezone_country.csv
	zoneCSV string
	//go:embed data/timezone_alias.csv
	zoneAliasCSV string
)

// country is one ISO 3166 entry, with Ember's factor where there is one.
type country struct {
	alpha2, alpha3 string
	name           string // Ember's name, else ISO's
	isoName        string
	factor         Factor // without How; zero when hasFactor is not set
	hasFactor      bool
	suspect        bool   // the table's value must not be used
	search         string // folded names and aliases for Search, each with a space before and after
}

// label is how messages name a country: "FR (France)".
func (c *country) label() string { return c.alpha2 + " (" + c.name + ")" }

// tables is everything that is embedded, parsed and indexed; it does not change.
type tables struct {
	countries []country      // by alpha-2
	codes     map[string]int // upper-case alpha-2 and alpha-3 -> countries
	names     map[string]int // folded name -> countries
	zones     map[string]zone
	world     Factor // without How
}

// load parses on first use: about a millisecond, which programs that never ask do not pay. The tables are constants, so a broken one is a broken build,
// and the tests would not have passed.
var load = sync.OnceValue(func() *tables {
	t, err := parse(isoCSV, countryCSV, aggregateCSV, zoneCSV, zoneAliasCSV)
	if err != nil {
		panic("intensity: " + err.Error())
	}
	return t
})

func parse(iso, ember, aggregate, zones, zoneAliases string) (*tables, error) {
	t := &tables{codes: map[string]int{}, zones: map[string]zone{}}
	rows, err := readRows(iso, "alpha2,alpha3,numeric,name")
	if err != nil {
		return nil, fmt.Errorf("parse iso 3166: %w", err)
	}
	for _, r := range rows {
		t.countries = append(t.countries, country{alpha2: r[0], alpha3: r[1], name: r[3], isoName: r[3]})
	}
	sort.Slice(t.countries, func(i, j int) bool { return t.countries[i].alpha2 < t.countries[j].alpha2 })
	for i := range t.countries {
		t.codes[t.countries[i].alpha2] = i
		t.codes[t.countries[i].alpha3] = i
	}
	if err := t.addEmber(ember); err != nil {
		return nil, fmt.Errorf("parse the ember countries: %w", err)
	}
	if rows, err = readRows(aggregate, "code,name,gco2e_per_kwh,year,basis,method,source"); err != nil {
		return nil, fmt.Errorf("parse the ember aggregates: %w", err)
	}
	for _, r := range rows {
		if r[0] != worldCode {
			continue
		}
		if t.world, err = factor(r[0], r[1], r[2], r[3], r[4], r[5], "ok", r[6]); err != nil {
			return nil, fmt.Errorf("parse the ember aggregates: %w", err)
		}
	}
	if t.world.GramsPerKWh <= 0 {
		return nil, fmt.Errorf("parse the ember aggregates: no world average")
	}
	for _, text := range []string{zones, zoneAliases} {
		if err := t.addZones(text); err != nil {
			return nil, fmt.Errorf("parse the time zones: %w", err)
		}
	}
	return t, t.addNames()
}

func (t *tables) addEmber(text string) error {
	rows, err := readRows(text, "alpha2,alpha3,name,gco2e_per_kwh,year,basis,method,flag,source")
	if err != nil {
		return err
	}
	for _, r := range rows {
		i, ok := t.codes[r[0]]
		if !ok || t.countries[i].alpha3 != r[1] {
			return fmt.Errorf("%s, %s is not an iso 3166 pair", r[0], r[1])
		}
		c := &t.countries[i]
		if c.factor, err = factor(r[0], r[2], r[3], r[4], r[5], r[6], r[7], r[8]); err != nil {
			return err
		}
		c.name, c.hasFactor = r[2], true
		c.suspect = r[7] == "suspect_zero" || c.factor.GramsPerKWh == 0
	}
	return nil
}

func factor(region, name, grams, year, basis, method, flag, source string) (Factor, error) {
	g, err := strconv.ParseFloat(grams, 64)
	if err == nil && !(g >= 0 && g <= maxFixed) {
		err = fmt.Errorf("%g g/kWh is out of range", g)
	}
	if err != nil {
		return Factor{}, fmt.Errorf("%s: %w", region, err)
	}
	y, err := strconv.Atoi(year)
	if err != nil {
		return Factor{}, fmt.Errorf("%s: %w", region, err)
	}
	f := Factor{Region: region, Name: name, GramsPerKWh: g, Year: y, Source: source, Basis: basis, Method: method}
	switch flag {
	case "ok":
	case "old":
		f.Note = "old data, of " + year
	case "suspect_zero": // the lookup says what it puts in its place
	case "unreviewed":
		f.Note = "the value is new in the source and not reviewed; its year is not known"
	default:
		return Factor{}, fmt.Errorf("%s: unknown flag %q", region, flag)
	}
	return f, nil
}

// readRows parses a CSV text whose header line must be the given one.
func readRows(text, header string) ([][]string, error) {
	body, ok := strings.CutPrefix(text, header+"\n")
	if !ok {
		return nil, fmt.Errorf("the header is not %s", header)
	}
	r := csv.NewReader(strings.NewReader(body))
	r.FieldsPerRecord = strings.Count(header, ",") + 1
	return r.ReadAll()
}
