package host

import (
	"os"
	"path/filepath"
	"strings"
)

// TimeZone names the machine's IANA time zone as far as it says: $TZ, else where etc/localtime points, else etc/timezone. root is
// the directory that holds etc. Empty: it says nothing.
func TimeZone(root string) string {
	if tz, set := os.LookupEnv("TZ"); set {
		tz = strings.TrimPrefix(tz, ":")
		switch {
		case tz == "":
			return "UTC" // as the C library takes it
		case filepath.IsAbs(tz):
			return zoneOfFile(filepath.Join(root, tz))
		}
		return tz
	}
	if zone := zoneOfFile(filepath.Join(root, "etc/localtime")); zone != "" {
		return zone
	}
	if b, err := os.ReadFile(filepath.Join(root, "etc/timezone")); err == nil && len(b) < 256 {
		return strings.TrimSpace(string(b))
	}
	return ""
}

// zoneOfFile tells a zone by the path of its file, or by where a link to it points.
func zoneOfFile(path string) string {
	for range 8 { // a link may point to a link
		if _, zone, ok := strings.Cut(path, "zoneinfo/"); ok {
			return strings.TrimPrefix(strings.TrimPrefix(zone, "posix/"), "right/")
		}
		to, err := os.Readlink(path)
		if err != nil {
			return ""
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return ""
}
