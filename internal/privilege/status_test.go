package privilege

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestParseStatus(t *testing.T) {
	good := "Name:\tx\nCapInh:\t0000000000000001\nCapPrm:\t0000008000000004\nCapEff:\t0000000000000004\nCapBnd:\t0000000000000000\n" +
		"CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t0\n"
	th, err := parseStatus([]byte(good))
	if err != nil || th.inheritable != 1 || th.permitted != 1<<39|1<<2 || th.effective != 4 || !th.noNewPrivs {
		t.Errorf("got %+v, %v", th, err)
	}
	for _, bad := range []string{"", strings.Replace(good, "CapAmb", "CapXxx", 1), strings.Replace(good, "0000000000000001", "x", 1)} {
		if _, err := parseStatus([]byte(bad)); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestCheck(t *testing.T) {
	good := thread{permitted: 1 << BPF, effective: 1 << BPF, noNewPrivs: true, bounding: 7}
	keep := []Cap{BPF}
	if err := check([]thread{good}, keep); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*thread){
		"permitted": func(t *thread) { t.permitted |= 1 }, "effective": func(t *thread) { t.effective |= 1 },
		"inheritable": func(t *thread) { t.inheritable = 1 }, "ambient": func(t *thread) { t.ambient = 1 },
		"no_new_privs": func(t *thread) { t.noNewPrivs = false },
	} {
		bad := good
		spoil(&bad)
		if err := check([]thread{good, bad}, keep); err == nil {
			t.Errorf("a thread with another %s passes", name)
		}
	}
}

func TestNames(t *testing.T) {
	if got := names(1<<DACReadSearch | 1<<BPF | 1<<Kill); !slices.Equal(got, []string{"CAP_DAC_READ_SEARCH", "CAP_KILL", "CAP_BPF"}) {
		t.Error(got)
	}
}

func TestHeldString(t *testing.T) {
	for want, h := range map[string]Held{
		"uid 0, CAP_BPF; nothing to regain; landlock (ABI 6) and seccomp": {Caps: []string{"CAP_BPF"}, NoNewPrivs: true, Fences: []string{"landlock (ABI 6)", "seccomp"}},
		"uid 7, no capability; no no_new_privs; no fence":                 {UID: 7, Regainable: []string{"CAP_BPF"}},
	} {
		if got := h.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCurrent(t *testing.T) {
	h, err := Current()
	if err != nil || h.UID != os.Getuid() {
		t.Errorf("%v, %v", h, err)
	}
}

func TestForBPF(t *testing.T) {
	before, err := Current()
	if err != nil {
		t.Fatal(err)
	}
	caps, err := ForBPF()
	if err != nil || len(caps) > 1 {
		t.Errorf("%v, %v", caps, err)
	}
	if after, err := Current(); err != nil || !slices.Equal(before.Caps, after.Caps) {
		t.Errorf("held %v before, %v after: %v", before.Caps, after.Caps, err)
	}
}
