package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

var isoHeader = []string{"alpha2", "alpha3", "numeric", "name"}

// isoEntry matches one object of the package's list; a name is quoted either way.
var isoEntry = regexp.MustCompile(`\{\s*name: ('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"),\s*state: 'assigned',\s*` +
	`alpha2: '([A-Z]{2})',\s*alpha3: '([A-Z]{3})',\s*numeric: '(\d{3})'\s*\}`)

// kosovo has no assigned code; XK and XKX are the user-assigned ones that Ember and most others use.
var kosovo = []string{"XK", "XKX", "", "Kosovo (user-assigned code)"}

func writeISO(data, tarball string) error {
	js, err := iso3166.read(tarball)
	if err != nil {
		return err
	}
	rows, err := parseISO(string(js))
	if err != nil {
		return err
	}
	return writeTable(filepath.Join(data, "iso3166.csv"), isoHeader, rows)
}

// parseISO returns the assigned countries by alpha-2, and Kosovo at the end.
func parseISO(js string) ([][]string, error) {
	found := isoEntry.FindAllStringSubmatch(js, -1)
	if n := strings.Count(js, "state: 'assigned',"); n != len(found) || n == 0 {
		return nil, fmt.Errorf("parse iso 3166: %d entries marked assigned, %d understood", n, len(found))
	}
	var rows [][]string
	for _, m := range found {
		name, err := unquote(m[1])
		if err != nil {
			return nil, err
		}
		rows = append(rows, []string{m[2], m[3], m[4], name})
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i][0] < rows[j][0] })
	return append(rows, kosovo), nil
}

// unquote reads a JavaScript string of either quote by rewriting it to Go's; the two share the escapes that occur.
func unquote(s string) (string, error) {
	body := strings.ReplaceAll(s[1:len(s)-1], `\'`, `'`)
	if s[0] == '\'' {
		body = strings.ReplaceAll(body, `"`, `\"`)
	}
	name, err := strconv.Unquote(`"` + body + `"`)
	if err != nil {
		return "", fmt.Errorf("parse the name %s: %w", s, err)
	}
	return name, nil
}
