package intensity

import (
	"cmp"
	"slices"
	"strings"
)

// maxNearest is how many suggestions an error makes.
const maxNearest = 3

// unknown makes the error for a query that find did not know. The work is bounded: some 700 names against at most 64 letters.
func (t *tables) unknown(query string) error {
	if len(query) > maxQuery {
		return &UnknownRegionError{Query: query[:maxQuery]}
	}
	// A copy: query may be a slice of something large that the error should not keep alive.
	e := &UnknownRegionError{Query: strings.Clone(query)}
	for _, i := range t.nearest(strings.TrimSpace(query)) {
		if i == worldIndex {
			e.Nearest = append(e.Nearest, t.world.Region+" ("+t.world.Name+")")
		} else {
			e.Nearest = append(e.Nearest, t.countries[i].label())
		}
	}
	return e
}

type candidate struct{ country, distance int }

// nearest returns the countries, or the world, whose code or name is a few slips of the keyboard away, the nearest first.
func (t *tables) nearest(query string) []int {
	// "US-CA" and the like: the tables have countries only.
	if len(query) > 3 && query[2] == '-' {
		if i, ok := t.codes[strings.ToUpper(query[:2])]; ok {
			return []int{i}
		}
	}
	q := foldKey(query)
	if q == "" {
		return nil
	}
	limit := 3
	if len(q) <= 6 {
		limit = (len(q) + 1) / 3 // 1 slip in 2 letters, 2 in 6
	}
	best := map[int]int{}
	consider := func(i, d int) {
		if was, seen := best[i]; d <= limit && (!seen || d < was) {
			best[i] = d
		}
	}
	for name, i := range t.names {
		if len(q) > 3 && strings.HasPrefix(name, q) {
			consider(i, 1) // the beginning of a name is as good as one slip
		}
		consider(i, distance(q, name, limit))
	}
	upper := strings.ToUpper(q)
	for code, i := range t.codes {
		consider(i, distance(upper, code, limit))
	}
	found := make([]candidate, 0, len(best))
	for i, d := range best {
		found = append(found, candidate{i, d})
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.country, b.country))
	})
	var out []int
	for _, c := range found[:min(len(found), maxNearest)] {
		out = append(out, c.country)
	}
	return out
}

// distance is the number of letters to insert, drop, replace or swap with the next to turn a into b (optimal string alignment); limit+1 when it is more than
// limit. Both are folded, so at most maxKey bytes.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	var rows [3][maxKey + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			row[j] = d
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit+1)
}
