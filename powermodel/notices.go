package powermodel

import "strings"

// Notices gives the origin, the licences and the trademark note of the embedded tables, for a program to print.
func Notices() string {
	var b strings.Builder
	for i, name := range []string{"README.md", "LICENSE-CodeCarbon.txt", "LICENSE-Apache-2.0.txt"} {
		text, err := files.ReadFile("data/" + name)
		if err != nil {
			panic(err) // embedded: absent only in a broken build
		}
		if i > 0 {
			b.WriteString("\n----\n\n")
		}
		b.Write(text)
	}
	return b.String()
}
