package powermodel

import "strings"

// maxName bounds a CPU name: the kernel gives 48 bytes at most, a hostile file gives more.
const maxName = 128

// normalName brings the names of /proc/cpuinfo and of the tables to one spelling:
// "Intel(R) Xeon(R) CPU E5-2680 v2 @ 2.80GHz" and "Intel Xeon E5-2680V2" both give "intel xeon e5-2680v2". Parts before v2 end in " 0".
func normalName(s string) string {
	if len(s) > maxName {
		s = s[:maxName]
	}
	s = strings.ToLower(s)
	if i := strings.IndexByte(s, '@'); i >= 0 {
		s = s[:i]
	}
	for _, tail := range []string{" with ", " w/ ", " radeon"} { // "... with Radeon Graphics"
		if i := strings.Index(s, tail); i > 0 {
			s = s[:i]
		}
	}
	s = nameMarks.Replace(s)
	words := strings.Fields(s)
	out := make([]byte, 0, len(s))
	for i, w := range words {
		last := i+1 == len(words)
		if noiseWord(w) || (w == "0" && last) || (w == "gen" && i > 0 && ordinal(words[i-1])) || (ordinal(w) && !last && words[i+1] == "gen") {
			continue
		}
		if len(out) > 0 && !generation(w) {
			out = append(out, ' ')
		}
		out = append(out, w...)
	}
	return string(out)
}

var nameMarks = strings.NewReplacer("(tm)-", "-", "(r)", " ", "(tm)", " ", ",", " ", "\"", " ")

func noiseWord(w string) bool {
	switch w {
	case "cpu", "processor", "apu", "eight-core", "six-core", "quad-core", "dual-core", "-":
		return true
	}
	core, found := strings.CutSuffix(strings.TrimSuffix(w, "s"), "-core") // "64-Core", "64-Cores"
	return found && digits(core)
}

func ordinal(w string) bool { // "13th" of "13th Gen"
	return len(w) > 2 && digits(w[:len(w)-2])
}

func generation(w string) bool { // "v2" belongs to the word before it
	return len(w) >= 2 && w[0] == 'v' && digits(w[1:])
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}

// hasWords says whether the words of fragment stand side by side in name; both are normal names.
// Whole words only: "e5-2650" must not be found in "intel xeon e5-2650v3".
func hasWords(name, fragment string) bool {
	return fragment != "" && strings.Contains(" "+name+" ", " "+fragment+" ")
}
