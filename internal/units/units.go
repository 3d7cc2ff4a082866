// Package units holds the quantities that eco2-bpf counts, each with its unit in the type.
package units

import (
	"fmt"
	"strconv"
	"time"
)

// Microjoules is an amount of energy, 1e-6 J. Ledgers add and split it as an integer, so nothing is lost to rounding.
type Microjoules int64

// Joules returns the energy in joules; for showing, not for adding up.
func (e Microjoules) Joules() float64 { return float64(e) / 1e6 }

// String gives joules with six decimals and no unit, the exact value: 1234567 is "1.234567".
func (e Microjoules) String() string {
	sign, v := "", uint64(e)
	if e < 0 {
		sign, v = "-", -v
	}
	return fmt.Sprintf("%s%d.%06d", sign, v/1e6, v%1e6)
}

// MarshalJSON writes joules with six decimals, so that a reader can recover the integer.
func (e Microjoules) MarshalJSON() ([]byte, error) { return []byte(e.String()), nil }

// Per returns the mean power over d; zero when d is not positive.
func (e Microjoules) Per(d time.Duration) Watts {
	if d <= 0 {
		return 0
	}
	return Watts(float64(e) / 1e6 / d.Seconds())
}

// Watts is power in joules per second.
type Watts float64

// Over returns the energy that a constant power gives in d, rounded to the nearest microjoule.
func (w Watts) Over(d time.Duration) Microjoules {
	v := float64(w) * d.Seconds() * 1e6
	if v < 0 {
		return Microjoules(v - 0.5)
	}
	return Microjoules(v + 0.5)
}

// GramsCO2e is a mass of greenhouse gas in grams of CO2 equivalent.
type GramsCO2e float64

// MarshalJSON writes nine decimals: a nanogram is far below what any factor can support, and the field never turns into exponent form.
func (g GramsCO2e) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(g), 'f', 9, 64), nil
}
