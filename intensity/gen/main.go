// Command gen writes the embedded tables of package intensity from two npm packages, pinned by version and sha256:
// Ember's factors out of @tgwf/co2 and the country codes out of iso-3166.
//
// Without flags it fetches both with npm pack. With -tarball or -iso-tarball it reads the given files, asks no network, and writes only their tables.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// npmPackage is one pinned package and the member that is read from its tarball.
type npmPackage struct {
	spec, file, sum, member string
}

var (
	co2js = npmPackage{
		spec:   "@tgwf/co2@0.19.0",
		file:   "tgwf-co2-0.19.0.tgz",
		sum:    "921bf6ba23bb009d746fab91f40864bf5dbaf109ae7b1dc7ef1c830ed7e77e26",
		member: "package/dist/esm/data/average-intensities.min.js",
	}
	iso3166 = npmPackage{
		spec:   "iso-3166@4.4.0",
		file:   "iso-3166-4.4.0.tgz",
		sum:    "7b093e56a88e337e6c4a187646aa34db7182a4d269344e6b5d9c331a199ed856",
		member: "package/1.js",
	}
)

// emberSource is the source column of every row; it must name the release pinned above.
const emberSource = "Ember Yearly Electricity Data via CO2.js 0.19.0"

func main() {
	data := flag.String("data", "data", "directory of the tables; overlay/ember.csv is read there")
	co2 := flag.String("tarball", "", "tarball of "+co2js.spec+" (default: npm pack)")
	iso := flag.String("iso-tarball", "", "tarball of "+iso3166.spec+" (default: npm pack)")
	flag.Parse()
	if err := run(*data, *co2, *iso); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(data, co2, iso string) error {
	if co2 == "" && iso == "" {
		tmp, err := os.MkdirTemp("", "eco2-intensity-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		if co2, err = co2js.fetch(tmp); err != nil {
			return err
		}
		if iso, err = iso3166.fetch(tmp); err != nil {
			return err
		}
	}
	// ISO first: a country that is new to Ember takes its alpha-2 from there.
	if iso != "" {
		if err := writeISO(data, iso); err != nil {
			return fmt.Errorf("make the iso 3166 table: %w", err)
		}
	}
	if co2 != "" {
		if err := writeEmber(data, data, co2); err != nil {
			return fmt.Errorf("make the ember tables: %w", err)
		}
	}
	return nil
}

// fetch has npm write the tarball into dir. No script of the package is run, and its sum is checked when it is read.
func (p npmPackage) fetch(dir string) (string, error) {
	cmd := exec.Command("npm", "pack", "--silent", "--ignore-scripts", p.spec)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("fetch %s with npm pack: %w", p.spec, err)
	}
	return filepath.Join(dir, p.file), nil
}
