package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
)

var (
	emberHeader     = []string{"alpha2", "alpha3", "name", "gco2e_per_kwh", "year", "basis", "method", "flag", "source"}
	aggregateHeader = []string{"code", "name", "gco2e_per_kwh", "year", "basis", "method", "source"}
	overlayHeader   = []string{"key", "alpha2", "name", "gco2e_per_kwh", "year", "flag"}
)

// skipped are the aggregates of the package that no lookup needs. A key that is in none of the lists stops the generator.
var skipped = map[string]bool{
	"AFRICA": true, "ASEAN": true, "ASIA": true, "EU": true, "EUROPE": true, "G20": true, "G7": true, "LATIN AMERICA AND CARIBBEAN": true,
	"MIDDLE EAST": true, "NORTH AMERICA": true, "OCEANIA": true, "OECD": true,
}

// entry is what the overlay, or for a new country the ISO table, knows about a key of the package.
type entry struct {
	alpha2, name, value, year, flag string
}

// writeEmber reads the overlay and the ISO codes in data and writes the two Ember tables to out.
func writeEmber(out, data, tarball string) error {
	js, err := co2js.read(tarball)
	if err != nil {
		return err
	}
	values, err := parseIntensities(js)
	if err != nil {
		return err
	}
	overlay, err := readOverlay(data)
	if err != nil {
		return err
	}
	countries, world, err := join(values, overlay)
	if err != nil {
		return err
	}
	if err := writeTable(filepath.Join(out, "country_ember.csv"), emberHeader, countries); err != nil {
		return err
	}
	return writeTable(filepath.Join(out, "aggregate_ember.csv"), aggregateHeader, [][]string{world})
}

var (
	dataObject = regexp.MustCompile(`(?s)const data = (\{.*?\});\n`)
	jsEscape   = regexp.MustCompile(`\\(?:x[0-9A-Fa-f]{2}|(?s:.))`)
)

// parseIntensities returns grams per kWh by alpha-3 or aggregate key. The bundler writes \xHH in strings, which JSON does not know.
func parseIntensities(js []byte) (map[string]float64, error) {
	m := dataObject.FindSubmatch(js)
	if m == nil {
		return nil, errors.New("parse the intensities: no data object")
	}
	text := jsEscape.ReplaceAllFunc(m[1], func(e []byte) []byte {
		if len(e) == 4 && e[1] == 'x' {
			return []byte(`\u00` + string(e[2:]))
		}
		return e
	})
	values := map[string]float64{}
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("parse the intensities: %w", err)
	}
	return values, nil
}

// readOverlay returns what is known per key. ISO countries without a reviewed row are there too, with no year.
func readOverlay(data string) (map[string]entry, error) {
	iso, err := readTable(filepath.Join(data, "iso3166.csv"), isoHeader...)
	if err != nil {
		return nil, err
	}
	rows, err := readTable(filepath.Join(data, "overlay", "ember.csv"), overlayHeader...)
	if err != nil {
		return nil, err
	}
	known := map[string]entry{}
	for _, r := range iso {
		known[r[1]] = entry{alpha2: r[0], name: r[3]}
	}
	for _, r := range rows {
		known[r[0]] = entry{alpha2: r[1], name: r[2], value: r[3], year: r[4], flag: r[5]}
	}
	return known, nil
}

// join makes the rows of the countries, by alpha-2, and the row of the world.
func join(values map[string]float64, known map[string]entry) (countries [][]string, world []string, err error) {
	for key, e := range known {
		if _, ok := values[key]; !ok && e.value != "" {
			return nil, nil, fmt.Errorf("join: %s of the overlay is not in the package: take it out of the overlay if it is meant to go", key)
		}
	}
	for key, v := range values {
		e, ok := known[key]
		switch {
		case skipped[key]:
			continue
		case !ok:
			return nil, nil, fmt.Errorf("join: unknown key %q: add it to the overlay or to the skipped aggregates", key)
		case v < 0:
			return nil, nil, fmt.Errorf("join: %s is negative (%g)", key, v)
		}
		value := strconv.FormatFloat(v, 'f', -1, 64)
		if value != e.value {
			e.year, e.flag = "0", "unreviewed"
		}
		if v == 0 {
			e.flag = "suspect_zero" // no grid emits nothing over its life cycle: never to pass as a factor
		}
		if key == "WORLD" {
			if e.flag != "ok" {
				return nil, nil, fmt.Errorf("join: the world average is now %s: review it in the overlay first, it is the default", value)
			}
			world = []string{key, e.name, value, e.year, "lifecycle", "production", emberSource}
			continue
		}
		countries = append(countries, []string{e.alpha2, key, e.name, value, e.year, "lifecycle", "production", e.flag, emberSource})
	}
	if world == nil {
		return nil, nil, errors.New("join: the package has no WORLD")
	}
	sort.Slice(countries, func(i, j int) bool { return countries[i][0] < countries[j][0] })
	return countries, world, nil
}
