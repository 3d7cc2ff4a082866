package intensity

import _ "embed" // the notices

var (
	//go:embed data/NOTICE.txt
	notice string
	//go:embed data/LICENSE-ember.txt
	emberLicense string
	//go:embed data/LICENSE-iso-3166.txt
	isoLicense string
)

// Notices returns the attributions and licences that go with the embedded data, as plain text. A program that prints a factor should be able to print them.
func Notices() string { return notice + isoLicense + "\n" + emberLicense }
