package intensity

import (
	"fmt"
	"strings"
)

// UnknownRegionError says that a query names no country.
type UnknownRegionError struct {
	Query   string   // as given, cut at 128 bytes; hostile input, to be printed escaped
	Nearest []string // up to three countries, the nearest first: "FR (France)"; empty when nothing is near
}

// Error is one line with the query escaped.
func (e *UnknownRegionError) Error() string {
	if strings.TrimSpace(e.Query) == "" {
		return "look up the region: none given"
	}
	s := fmt.Sprintf("look up the region %q: unknown", e.Query)
	if n := len(e.Nearest); n > 1 {
		s += "; nearest are " + strings.Join(e.Nearest[:n-1], ", ") + " and " + e.Nearest[n-1]
	} else if n == 1 {
		s += "; nearest is " + e.Nearest[0]
	}
	return s
}

// NoFactorError says that a country is known but the table has no factor for it. The world average would be a guess that nobody asked for.
type NoFactorError struct {
	Region    string // alpha-2
	Name      string // "Monaco"
	Neighbour string // alpha-2 of the country whose grid feeds it, where that is known; else empty
}

// Error is one line that names the two ways out.
func (e *NoFactorError) Error() string {
	neighbour := "a neighbour's with --region"
	if e.Neighbour != "" {
		neighbour = "its neighbour's with --region " + e.Neighbour
	}
	return fmt.Sprintf("look up the region %s (%s): no factor in the table; give one in g/kWh with --factor, or take %s", e.Region, e.Name, neighbour)
}

// neighbours are territories without a factor that hang on another country's grid. They are advice for a message, never applied silently.
var neighbours = map[string]string{"AD": "ES", "GG": "FR", "IM": "GB", "JE": "FR", "LI": "CH", "MC": "FR", "SM": "IT", "VA": "IT"}
