// Package intensity says how many grams of CO2e a kilowatt-hour of electricity stands for, and how that number was chosen.
//
// It is a pure lookup over embedded tables: Ember's yearly country averages, ISO 3166 codes and names, and the countries of IANA time zones. It opens no file
// and no connection. Every Factor carries its source, year, basis and the way its region was found; data/README.md tells where the tables come from.
package intensity

import (
	"fmt"
	"math"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Factor is a carbon intensity with its provenance. Factors of different Basis or Method must not be mixed in one total.
type Factor struct {
	Region      string  // ISO 3166 alpha-2 of the table's row, "WORLD", or "user"
	Name        string  // English name of the region: "France"
	GramsPerKWh float64 // grams of CO2 equivalent per kilowatt-hour; finite, never negative
	Year        int     // year of the data; 0 when not known, or the user's own
	Source      string  // "Ember Yearly Electricity Data via CO2.js 0.19.0", or "user"
	Basis       string  // "lifecycle", "direct", or "unknown" (the user's own)
	Method      string  // "production", "consumption", or "unknown" (the user's own)
	How         string  // how the region was chosen, one phrase: "guess from time zone Europe/Paris"; empty in a listing
	Guess       bool    // nobody chose the region
	Note        string  // caution to print beside the number (old data, suspect value); empty when there is none
}

const (
	microjoulesPerKWh = 3.6e12
	// maxFixed catches grams per MWh given for grams per kWh; the dirtiest grid of the table is at 1306, a small diesel set below 2000.
	maxFixed = 10_000
	// Surveys find 1.05 to 3; beyond maxPUE it is a slip (per cent, say).
	minPUE, maxPUE = 1, 100
)

// Fixed returns the user's own factor in grams of CO2e per kWh. It refuses a negative number, an infinity, NaN, and one above 10,000, which is a slip of the unit.
func Fixed(gramsPerKWh float64) (Factor, error) {
	switch {
	case math.IsNaN(gramsPerKWh) || math.IsInf(gramsPerKWh, 0):
		return Factor{}, fmt.Errorf("use the factor %g: not a finite number of g/kWh", gramsPerKWh)
	case gramsPerKWh < 0:
		return Factor{}, fmt.Errorf("use the factor %g: negative g/kWh", gramsPerKWh)
	case gramsPerKWh > maxFixed:
		return Factor{}, fmt.Errorf("use the factor %g: above %d g/kWh; the unit is grams per kWh, not per MWh", gramsPerKWh, maxFixed)
	}
	return Factor{
		Region: "user", Name: "own factor", GramsPerKWh: gramsPerKWh + 0, // + 0 turns -0 into 0
		Source: "user", Basis: "unknown", Method: "unknown", How: "given by --factor",
	}, nil
}

// CheckPUE tells whether pue can be a power usage effectiveness: all energy of a site over that of its machines, a number from 1 to 100.
func CheckPUE(pue float64) error {
	if !validPUE(pue) {
		return fmt.Errorf("use the pue %g: not a number from %d to %d; a site draws at least what its machines do", pue, minPUE, maxPUE)
	}
	return nil
}

func validPUE(pue float64) bool { return pue >= minPUE && pue <= maxPUE }

// Grams returns the emissions of an amount of IT energy e at a site of the given PUE: 45 kWh at 489 g/kWh and PUE 1 is 22005 g.
//
// It cannot refuse, so a pue that CheckPUE would refuse counts as 1, which keeps an unset field from turning every result into zero: check where the flag is
// read. A negative energy, which no ledger gives, stays visible as negative grams.
func (f Factor) Grams(e units.Microjoules, pue float64) units.GramsCO2e {
	if !validPUE(pue) {
		pue = 1
	}
	return units.GramsCO2e(float64(e) / microjoulesPerKWh * pue * f.GramsPerKWh)
}
