package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The checked-in tables are what the generator makes of the pinned packages.
func TestRegenerate(t *testing.T) {
	for _, c := range []struct {
		env   string
		files []string
		write func(out, tarball string) error
	}{
		{"ECO2_CO2JS_TARBALL", []string{"country_ember.csv", "aggregate_ember.csv"}, func(out, tarball string) error { return writeEmber(out, "../data", tarball) }},
		{"ECO2_ISO3166_TARBALL", []string{"iso3166.csv"}, writeISO},
	} {
		t.Run(c.env, func(t *testing.T) {
			tarball := os.Getenv(c.env)
			if tarball == "" {
				t.Skipf("no tarball given in %s; npm pack writes one, see data/README.md", c.env)
			}
			out := t.TempDir()
			if err := c.write(out, tarball); err != nil {
				t.Fatal(err)
			}
			for _, file := range c.files {
				got, want := mustRead(t, filepath.Join(out, file)), mustRead(t, filepath.Join("../data", file))
				if !bytes.Equal(got, want) {
					t.Errorf("%s differs from the checked-in table: run go generate ./intensity", file)
				}
				t.Logf("%s: %d lines, the same", file, bytes.Count(got, []byte("\n")))
			}
		})
	}
}

// Without the package: the tables are what the reviewed values make. So a wrong digit in a table fails wherever the tests run.
func TestTablesAreTheReviewedValues(t *testing.T) {
	overlay, err := readOverlay("../data")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for key, e := range overlay {
		if e.value == "" {
			continue
		}
		if values[key], err = strconv.ParseFloat(e.value, 64); err != nil {
			t.Fatal(err)
		}
	}
	countries, world, err := join(values, overlay)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	for file, table := range map[string]struct {
		header []string
		rows   [][]string
	}{"country_ember.csv": {emberHeader, countries}, "aggregate_ember.csv": {aggregateHeader, [][]string{world}}} {
		if err := writeTable(filepath.Join(out, file), table.header, table.rows); err != nil {
			t.Fatal(err)
		}
		got, want := mustRead(t, filepath.Join(out, file)), mustRead(t, filepath.Join("../data", file))
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the reviewed values make", file)
		}
	}
	if len(countries) != 209 {
		t.Errorf("%d countries", len(countries))
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tarball packs one member as npm does and returns the path and a package pinned to its sum.
func tarball(t *testing.T, member, text string) (string, npmPackage) {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, m := range []struct{ name, text string }{{"package/package.json", "{}"}, {member, text}} {
		if err := tw.WriteHeader(&tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(m.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tiny.tgz")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path, npmPackage{spec: "tiny@1", sum: fmt.Sprintf("%x", sha256.Sum256(b.Bytes())), member: member}
}

func TestTarball(t *testing.T) {
	path, p := tarball(t, "package/x.js", "hello")
	if b, err := p.read(path); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	other := p
	other.member = "package/y.js"
	if _, err := other.read(path); err == nil || !strings.Contains(err.Error(), "no member") {
		t.Errorf("a missing member: %v", err)
	}
	other = p
	other.sum = strings.Repeat("0", 64)
	if _, err := other.read(path); err == nil || !strings.Contains(err.Error(), "pinned") {
		t.Errorf("another sum: %v", err)
	}
	if _, err := co2js.read(path); err == nil {
		t.Error("a tarball that is not the pinned release is accepted")
	}
	if _, err := unpack([]byte("no gzip"), "x"); err == nil {
		t.Error("not a gzip: accepted")
	}
}

func TestEmber(t *testing.T) {
	path, p := tarball(t, "package/d.js", `const data = { "FRA": 44.18, "FLK": 1e3, "CAF": 0, "\x44EU": 342.07, "NEW": 7, "EUROPE": 285, "WORLD": 472.94 };
const type = "average";
`)
	js, err := p.read(path)
	if err != nil {
		t.Fatal(err)
	}
	values, err := parseIntensities(js)
	if err != nil || len(values) != 7 || values["DEU"] != 342.07 || values["FLK"] != 1000 {
		t.Fatalf("%v, %v", values, err)
	}
	known := map[string]entry{
		"FRA": {"FR", "France", "44.18", "2024", "ok"}, "FLK": {"FK", "Falkland Islands", "1000", "2022", "old"},
		"CAF": {"CF", "Central African Republic", "0", "2022", "suspect_zero"}, "DEU": {"DE", "Germany", "342.06", "2024", "ok"},
		"NEW": {alpha2: "NW", name: "Newland"}, "OLD": {alpha2: "OL", name: "Oldland"}, "WORLD": {"", "World", "472.94", "2024", "ok"},
	}
	rows, world, err := join(values, known)
	if err != nil {
		t.Fatal(err)
	}
	want := `CF,CAF,Central African Republic,0,2022,suspect_zero
DE,DEU,Germany,342.07,0,unreviewed
FK,FLK,Falkland Islands,1000,2022,old
FR,FRA,France,44.18,2024,ok
NW,NEW,Newland,7,0,unreviewed
`
	var got strings.Builder
	for _, r := range rows {
		fmt.Fprintln(&got, strings.Join([]string{r[0], r[1], r[2], r[3], r[4], r[7]}, ","))
	}
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
	if world[0] != "WORLD" || world[2] != "472.94" {
		t.Errorf("world: %v", world)
	}
}

func TestEmberRefuses(t *testing.T) {
	world := entry{"", "World", "472.94", "2024", "ok"}
	for name, c := range map[string]struct {
		values map[string]float64
		known  map[string]entry
	}{
		"unknown key":     {map[string]float64{"WORLD": 472.94, "MARS": 1}, map[string]entry{"WORLD": world}},
		"country is gone": {map[string]float64{"WORLD": 472.94}, map[string]entry{"WORLD": world, "FRA": {"FR", "France", "44.18", "2024", "ok"}}},
		"negative":        {map[string]float64{"WORLD": 472.94, "FRA": -1}, map[string]entry{"WORLD": world, "FRA": {alpha2: "FR"}}},
		"no world":        {map[string]float64{}, nil},
		"world changed":   {map[string]float64{"WORLD": 1}, map[string]entry{"WORLD": world}},
	} {
		if _, _, err := join(c.values, c.known); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	for _, js := range []string{"", "const data = {};", "const data = {\"A\": \"x\"};\n", "const data = {,};\n"} {
		if _, err := parseIntensities([]byte(js)); err == nil {
			t.Errorf("%q: accepted", js)
		}
	}
}

func TestISO(t *testing.T) {
	entries := `export const iso31661 = [
  { name: "Côte d'Ivoire", state: 'assigned', alpha2: 'CI', alpha3: 'CIV', numeric: '384' },
  {
    name: 'Andorra "la\' Vella"',
    state: 'assigned',
    alpha2: 'AD',
    alpha3: 'AND',
    numeric: '020'
  }
]
`
	rows, err := parseISO(entries)
	got := fmt.Sprint(rows)
	if want := `[[AD AND 020 Andorra "la' Vella"] [CI CIV 384 Côte d'Ivoire] [XK XKX  Kosovo (user-assigned code)]]`; err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	for _, js := range []string{"", strings.Replace(entries, "alpha3: 'CIV'", "alpha3: 'civ'", 1)} {
		if _, err := parseISO(js); err == nil {
			t.Errorf("accepted: %q", js)
		}
	}
}
