package intensity

import (
	"strings"
	"testing"
)

func BenchmarkLookup(b *testing.B) {
	for _, c := range []struct{ name, query string }{
		{"alpha2", "FR"}, {"alpha3", "fra"}, {"name", "Côte d'Ivoire"}, {"world", "WORLD"},
		{"typo", "Frnace"}, {"longest", strings.Repeat("abcdefghij", 5)}, {"hostile", strings.Repeat("\x1b", 1<<20)},
	} {
		b.Run(c.name, func(b *testing.B) {
			load()
			b.ReportAllocs()
			for b.Loop() {
				Lookup(c.query)
			}
		})
	}
}

func BenchmarkGuess(b *testing.B) {
	load()
	b.ReportAllocs()
	for b.Loop() {
		Guess("Europe/Paris")
	}
}

// BenchmarkParse is what the first call costs.
func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(isoCSV, countryCSV, aggregateCSV, zoneCSV, zoneAliasCSV); err != nil {
			b.Fatal(err)
		}
	}
}

// A code costs no allocation.
func TestLookupAllocs(t *testing.T) {
	for _, query := range []string{"FR", "fra", "Côte d'Ivoire"} {
		if n := testing.AllocsPerRun(100, func() { Lookup(query) }); n != 0 {
			t.Errorf("%s: %v allocations", query, n)
		}
	}
}
