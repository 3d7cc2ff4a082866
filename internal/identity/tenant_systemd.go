package identity

import (
	"math"
	"strconv"
	"strings"
)

// unit takes slices until a unit comes, or a name that is neither: then nothing below is the manager's.
func (w *tenantWalk) unit(name string) {
	if !w.units {
		return
	}
	if service, ok := strings.CutPrefix(name, "openrc."); ok && w.depth == 0 && printable(name) && service != "" {
		w.t.Unit, w.t.UserUnit = name, false
		w.units = false
		return
	}
	if strings.HasPrefix(name, "lxc.payload.") || strings.HasPrefix(name, "lxc.monitor.") { // a container may be called as a unit is
		w.units = false
		return
	}
	name = strings.TrimPrefix(name, "_") // systemd's escape of names that might be the kernel's, as cpu.service
	kind := unitKind(name)
	switch kind {
	case "slice":
		w.t.Slice = name
		w.owner(name, "user-", ".slice")
		return
	case "":
		w.units = false
		return
	}
	w.t.Unit, w.t.UserUnit = name, w.user
	if !w.user && w.owner(name, "user@", ".service") {
		w.user = true
		return
	}
	w.units = false
	if id, ok := cutBoth(name, "session-", ".scope"); ok && !w.user && all(id, isAlnum) && w.parent == w.t.Slice && strings.HasPrefix(w.parent, "user-") {
		w.t.Session = id
	}
}

// owner takes the uid of a name, and tells whether it has one.
func (w *tenantWalk) owner(name, prefix, suffix string) bool {
	digits, ok := cutBoth(name, prefix, suffix)
	if !ok {
		return false
	}
	uid, ok := parseUID(digits)
	if ok && w.t.Owner < 0 && !w.contained {
		w.t.Owner = uid
	}
	return ok
}

// parseUID takes a number as the kernel's uid_t, of which the greatest is none.
func parseUID(s string) (int64, bool) {
	uid, err := strconv.ParseUint(s, 10, 32)
	return int64(uid), err == nil && uid != math.MaxUint32 && strconv.FormatUint(uid, 10) == s
}

func cutBoth(s, prefix, suffix string) (string, bool) {
	s, before := strings.CutPrefix(s, prefix)
	s, after := strings.CutSuffix(s, suffix)
	return s, before && after
}

// unitKind is the type of a unit that has a cgroup; empty: the name is none's, by systemd's rules for them (systemd.unit(5)).
func unitKind(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 || len(name) > 255 || !all(name, isUnitChar) {
		return ""
	}
	switch kind := name[i+1:]; kind {
	case "slice", "service", "scope", "socket", "mount", "swap":
		return kind
	}
	return ""
}

func isUnitChar(c byte) bool { return isAlnum(c) || strings.IndexByte(`:-_.\@`, c) >= 0 }

// unescape undoes systemd's \xNN.
func unescape(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && len(s) >= i+4 {
			if c, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b = append(b, byte(c))
				i += 3
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
