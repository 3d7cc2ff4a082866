package intensity

import "strings"

// maxKey bounds a folded name; the longest of the tables has 41 letters.
const maxKey = 64

// fold appends the plain form of a name to dst: lower-case letters and digits, accents taken off, words parted by a space when spaced is set and joined
// otherwise; "the", "and" and "of" go, "st" becomes "saint". It reports false for what no country's name can hold: control characters, broken UTF-8, other
// scripts, more than dst's capacity. It never grows dst, so that a lookup stays on the stack.
func fold(dst []byte, s string, spaced bool) ([]byte, bool) {
	word := len(dst)
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			dst = append(dst, byte(r))
		case 'A' <= r && r <= 'Z':
			dst = append(dst, byte(r)+'a'-'A')
		case 0x300 <= r && r <= 0x36f: // an accent as a character of its own
		case strings.ContainsRune(" '-.,()[]/&_\u00a0\u2010\u2011\u2013\u2018\u2019", r):
			dst = endWord(dst, word, spaced)
			word = len(dst)
		default:
			base := unaccent(r)
			if base == "" {
				return nil, false
			}
			dst = append(dst, base...)
		}
		if len(dst)+len("saint ") > cap(dst) {
			return nil, false
		}
	}
	dst = endWord(dst, word, spaced)
	if spaced && len(dst) > 0 && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst, true
}

// endWord closes the word that starts at dst[start].
func endWord(dst []byte, start int, spaced bool) []byte {
	switch string(dst[start:]) {
	case "", "the", "and", "of":
		return dst[:start]
	case "st":
		dst = append(dst[:start], "saint"...)
	}
	if spaced {
		dst = append(dst, ' ')
	}
	return dst
}

// unaccent returns the plain letters of an accented Latin one, lower case; "" for anything else.
func unaccent(r rune) string {
	switch r {
	case 'à', 'á', 'â', 'ã', 'ä', 'å', 'ā', 'ă', 'ą', 'À', 'Á', 'Â', 'Ã', 'Ä', 'Å', 'Ā', 'Ă', 'Ą':
		return "a"
	case 'ç', 'ć', 'č', 'Ç', 'Ć', 'Č':
		return "c"
	case 'è', 'é', 'ê', 'ë', 'ē', 'ę', 'ě', 'È', 'É', 'Ê', 'Ë', 'Ē', 'Ę', 'Ě':
		return "e"
	case 'ğ', 'Ğ':
		return "g"
	case 'ì', 'í', 'î', 'ï', 'ī', 'ı', 'Ì', 'Í', 'Î', 'Ï', 'Ī', 'İ':
		return "i"
	case 'ł', 'Ł':
		return "l"
	case 'ñ', 'ń', 'ň', 'Ñ', 'Ń', 'Ň':
		return "n"
	case 'ò', 'ó', 'ô', 'õ', 'ö', 'ø', 'ō', 'ő', 'Ò', 'Ó', 'Ô', 'Õ', 'Ö', 'Ø', 'Ō', 'Ő':
		return "o"
	case 'ř', 'Ř':
		return "r"
	case 'ś', 'š', 'ş', 'ș', 'Ś', 'Š', 'Ş', 'Ș':
		return "s"
	case 'ţ', 'ț', 'ť', 'Ţ', 'Ț', 'Ť':
		return "t"
	case 'ù', 'ú', 'û', 'ü', 'ū', 'ů', 'ű', 'Ù', 'Ú', 'Û', 'Ü', 'Ū', 'Ů', 'Ű':
		return "u"
	case 'ý', 'ÿ', 'Ý', 'Ÿ':
		return "y"
	case 'ź', 'ż', 'ž', 'Ź', 'Ż', 'Ž':
		return "z"
	case 'æ', 'Æ':
		return "ae"
	case 'œ', 'Œ':
		return "oe"
	case 'ß':
		return "ss"
	}
	return ""
}

func foldKey(s string) string   { return foldString(s, false) }
func foldWords(s string) string { return foldString(s, true) }

// foldString is fold for a caller who does not count allocations; "" when s cannot be a name.
func foldString(s string, spaced bool) string {
	b, _ := fold(make([]byte, 0, maxKey), s, spaced)
	return string(b)
}
