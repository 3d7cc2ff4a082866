package intensity

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile tells whether a message could act on a terminal.
func hostile(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(s)
}

func FuzzLookup(f *testing.F) {
	for _, s := range []string{"FR", "fra", "Côte d'Ivoire", "and", "st", "St.", "US-CA", "", " ", "\x00", "\x1b[2J", "\xff\xfe", "\u202eFR", "e\u0301", "日本",
		strings.Repeat("a", 64), strings.Repeat("st ", 60), strings.Repeat("\u0301", 60), strings.Repeat("æ", 32), strings.Repeat("y", 1<<16)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got, err := Lookup(query)
		var unknown *UnknownRegionError
		var none *NoFactorError
		switch {
		case err == nil:
			if !(got.GramsPerKWh > 0) || got.How == "" || got.Guess || hostile(got.How+got.Note) {
				t.Errorf("%q: %+v", query, got)
			}
		case errors.As(err, &unknown):
			if len(unknown.Nearest) > maxNearest || len(unknown.Query) > maxQuery || !strings.HasPrefix(query, unknown.Query) {
				t.Errorf("%q: %+v", query, unknown)
			}
		case !errors.As(err, &none):
			t.Errorf("%q: an error of another kind: %v", query, err)
		}
		// Each byte takes at most 4 escaped, 10 for a rune.
		if err != nil && (hostile(err.Error()) || len(err.Error()) > 10*maxQuery+300) {
			t.Errorf("%q: the message is not fit to print: %q", query, err.Error())
		}
		for _, s := range Search(query) {
			if !(s.GramsPerKWh > 0) {
				t.Errorf("%q lists %+v", query, s)
			}
		}
	})
}

func FuzzGuess(f *testing.F) {
	for _, s := range []string{"Europe/Paris", ":Europe/Paris", "/etc/zoneinfo/right/UTC", "posix/", "", "\x1b", "\xff", strings.Repeat("é", 40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, tz string) {
		g := Guess(tz)
		if !g.Guess || !(g.GramsPerKWh > 0) || hostile(g.How) || len(g.How) > 500 {
			t.Errorf("%q: %+v", tz, g)
		}
	})
}
