package intensity

import (
	"fmt"
	"strings"
)

// aliases are names in common use that neither table has. Folding already takes care of case, accents, punctuation, spaces, "the", "and", "of" and "St.".
var aliases = map[string]string{
	"UK": "GB", "Great Britain": "GB", "Britain": "GB", "England": "GB", "Scotland": "GB", "Wales": "GB", "Northern Ireland": "GB",
	"U.S.": "US", "U.S.A.": "US", "America": "US",
	"Antigua": "AG", "Bosnia": "BA", "Brunei": "BN", "Burma": "MM", "Cape Verde": "CV", "Ivory Coast": "CI", "Czech Republic": "CZ",
	"Congo-Kinshasa": "CD", "Congo-Brazzaville": "CG", "Republic of the Congo": "CG", "DRC": "CD", "DR Congo": "CD", "Democratic Republic of Congo": "CD",
	"DPRK": "KP", "East Timor": "TL", "EL": "GR", "Eire": "IE", "Republic of Ireland": "IE", "Holland": "NL", "Kyrgyz Republic": "KG",
	"Laos": "LA", "Lao PDR": "LA", "Macau": "MO", "Macedonia": "MK", "Mainland China": "CN", "PRC": "CN", "People's Republic of China": "CN",
	"Palestinian Territories": "PS", "ROK": "KR", "Slovak Republic": "SK", "St. Vincent": "VC", "Swaziland": "SZ", "Trinidad": "TT", "Turkey": "TR",
	"UAE": "AE", "Vatican": "VA", "Vatican City": "VA", "BVI": "VG", "British Virgin Islands": "VG", "USVI": "VI", "US Virgin Islands": "VI",
	"United States Virgin Islands": "VI",
}

// worldAliases are the names of the world average.
var worldAliases = []string{worldCode, "global"}

// addNames indexes the names: first the tables' own and the aliases, which must not clash, then forms made from them, which give way where they are ambiguous
// ("Korea" of two Koreas stays unknown, and both are then named as near).
func (t *tables) addNames() error {
	t.names = map[string]int{}
	for i := range t.countries {
		for _, name := range []string{t.countries[i].name, t.countries[i].isoName} {
			if err := t.addName(name, i); err != nil {
				return err
			}
		}
	}
	for name, alpha2 := range aliases {
		i, ok := t.codes[alpha2]
		if !ok {
			return fmt.Errorf("index the alias %s: no country %s", name, alpha2)
		}
		if err := t.addName(name, i); err != nil {
			return err
		}
	}
	derived := map[string]int{}
	for i := range t.countries {
		for _, name := range []string{t.countries[i].name, t.countries[i].isoName} {
			for _, form := range forms(name) {
				key := foldKey(form)
				if j, seen := derived[key]; seen && j != i {
					derived[key] = ambiguous
				} else {
					derived[key] = i
				}
			}
		}
	}
	for key, i := range derived {
		if _, taken := t.names[key]; !taken && i != ambiguous {
			t.names[key] = i
		}
	}
	for _, name := range worldAliases {
		t.names[foldKey(name)] = worldIndex
	}
	return nil
}

const (
	worldIndex = -1
	ambiguous  = -2
)

func (t *tables) addName(name string, i int) error {
	key := foldKey(name)
	if j, taken := t.names[key]; key == "" || taken && j != i {
		return fmt.Errorf("index the name %q of %s: taken or empty", name, t.countries[i].alpha2)
	}
	t.names[key] = i
	t.countries[i].search += " " + foldWords(name) + " "
	return nil
}

// forms returns the shorter and the reordered ways to write a table's name: "Iran, Islamic Republic of" is "Iran" and "Islamic Republic of Iran",
// "Hong Kong (SAR of China)" is "Hong Kong".
func forms(name string) []string {
	if i := strings.IndexAny(name, "(["); i > 0 {
		return []string{name[:i]}
	}
	if before, after, ok := strings.Cut(name, ", "); ok {
		return []string{before, after + " " + before}
	}
	return nil
}
