package intensity

import (
	"strings"
)

const (
	worldCode = "WORLD"
	// maxQuery is the longest query in bytes that is looked at; no name comes near it.
	maxQuery = 128
	// givenByRegion is the How of a Lookup.
	givenByRegion = "given by --region"
)

// Lookup returns the factor of a region that somebody named: ISO 3166 alpha-2 or alpha-3, an English name or a common alias, or "WORLD". Case, accents and
// punctuation do not matter. How is "given by --region"; a caller who has the name from elsewhere sets its own. Year and Source are the table's.
//
// Where the table's value cannot be right (0 g/kWh for the Central African Republic) the result is the world average, with How and Note saying so.
//
// The errors are *UnknownRegionError for a name that is no country, and *NoFactorError for a country that the table does not have.
func Lookup(query string) (Factor, error) {
	t := load()
	i, ok := t.find(query)
	if !ok {
		return Factor{}, t.unknown(query)
	}
	if i == worldIndex {
		f := t.world
		f.How = givenByRegion
		return f, nil
	}
	c := &t.countries[i]
	switch {
	case !c.hasFactor:
		return Factor{}, &NoFactorError{Region: c.alpha2, Name: c.name, Neighbour: neighbours[c.alpha2]}
	case c.suspect:
		f := t.world
		f.How = "world average: " + suspectValue + " for " + c.label()
		f.Note = suspectValue + " for " + c.label() + "; the world average stands in, --factor gives your own"
		return f, nil
	}
	f := c.factor
	f.How = givenByRegion
	return f, nil
}

const suspectValue = "the table has an implausible 0 g/kWh"

// World returns the declared world average for when no region is known; why ends the phrase of How. Guess is set.
func World(why string) Factor {
	f := load().world
	f.Guess = true
	f.How = "world average"
	if why != "" {
		f.How += ": " + why
	}
	return f
}

// find returns the index of the country that query names. Codes go first: "and" is Andorra. It does not allocate.
func (t *tables) find(query string) (int, bool) {
	if len(query) > maxQuery {
		return 0, false
	}
	query = strings.TrimSpace(query)
	if len(query) == 2 || len(query) == 3 {
		var code [3]byte
		for i := range len(query) {
			code[i] = query[i]
			if 'a' <= code[i] && code[i] <= 'z' {
				code[i] -= 'a' - 'A'
			}
		}
		if i, ok := t.codes[string(code[:len(query)])]; ok {
			return i, true
		}
	}
	var buf [maxKey]byte
	key, ok := fold(buf[:0], query, false)
	if !ok {
		return 0, false
	}
	i, ok := t.names[string(key)]
	return i, ok
}

// Search returns the regions that have a factor and whose code is the query, or one of whose names or aliases has words that begin with it; all of them, and
// the world, for "". They are sorted by alpha-2, WORLD last. How is empty.
//
// A region whose own value cannot be used is listed with the world average, and a Note that says so.
func Search(query string) []Factor {
	t := load()
	query = strings.TrimSpace(query)
	if len(query) > maxQuery {
		return nil
	}
	code, words := strings.ToUpper(query), foldWords(query)
	var found []Factor
	for i := range t.countries {
		c := &t.countries[i]
		if !c.hasFactor || !matches(query, code, words, c.search, c.alpha2, c.alpha3) {
			continue
		}
		f := c.factor
		if c.suspect {
			f = t.world
			f.Region, f.Name = c.alpha2, c.name
			f.Note = suspectValue + "; the world average stands in"
		}
		found = append(found, f)
	}
	if matches(query, code, words, " world  global ", worldCode) {
		found = append(found, t.world)
	}
	return found
}

func matches(query, code, words, names string, codes ...string) bool {
	if query == "" {
		return true
	}
	for _, c := range codes {
		if c == code {
			return true
		}
	}
	return words != "" && strings.Contains(names, " "+words)
}
