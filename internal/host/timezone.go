package host

import (
	"os"
	"path/filepath"
	"strings"
)

// TimeZone names the machine's IANA time zone as far as it says: $TZ, else where etc/localtime points, else etc/timezone. root is
// the directory that holds etc. Empty: it says nothing.
func TimeZone(root string) string {
	if tz := strings.TrimPrefix(os.Getenv("TZ"), ":"); tz != "" {
		return tz
	}
	if target, err := os.Readlink(filepath.Join(root, "etc/localtime")); err == nil {
		if _, zone, ok := strings.Cut(target, "zoneinfo/"); ok {
			return zone
		}
	}
	if b, err := os.ReadFile(filepath.Join(root, "etc/timezone")); err == nil && len(b) < 256 {
		return strings.TrimSpace(string(b))
	}
	return ""
}
