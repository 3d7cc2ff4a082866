package output

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes a name that a process chose safe for a terminal, on one line: control and invisible characters, invalid UTF-8 and
// quotes' own escapes are shown as Go would quote them.
func Clean(s string) string {
	plain := true
	for _, r := range s {
		if r == utf8.RuneError || r == '\\' || !unicode.IsPrint(r) {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n <= 1:
			b.WriteString(`\x` + hex(s[0]))
		case r == '\\':
			b.WriteString(`\\`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		s = s[n:]
	}
	return b.String()
}

func hex(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}

// fit cuts or pads a cleaned text to exactly n columns; runes count as one column each.
func fit(s string, n int) string {
	c := utf8.RuneCountInString(s)
	if c <= n {
		return s + strings.Repeat(" ", n-c)
	}
	r := []rune(s)
	return string(r[:n-1]) + "…"
}

// fitEnd is fit for paths: if there is too little room, the end of the last word is what is worth most.
func fitEnd(s string, n int) string {
	first, last, _ := strings.Cut(s, " ")
	r := []rune(last)
	room := n - utf8.RuneCountInString(first) - 1
	if len(r) <= room || room < 2 {
		return fit(s, n)
	}
	return first + " …" + string(r[len(r)-room+1:])
}
