package units

import (
	"encoding/json"
	"math"
	"testing"
	"testing/quick"
	"time"
)

func TestMicrojoules(t *testing.T) {
	for e, want := range map[Microjoules]string{
		0: "0.000000", 1: "0.000001", 1234567: "1.234567", -5: "-0.000005", math.MaxInt64: "9223372036854.775807", math.MinInt64: "-9223372036854.775808",
	} {
		if got := e.String(); got != want {
			t.Errorf("%d: %s, want %s", int64(e), got, want)
		}
	}
	if err := quick.Check(func(v int64) bool {
		b, err := json.Marshal(Microjoules(v))
		return err == nil && json.Valid(b) && string(b) == Microjoules(v).String()
	}, nil); err != nil {
		t.Error(err)
	}
}

func TestWatts(t *testing.T) {
	if e := Watts(2.5).Over(400 * time.Millisecond); e != 1_000_000 {
		t.Errorf("2.5 W over 400 ms: %v J", e)
	}
	if e := Watts(-2.5).Over(400 * time.Millisecond); e != -1_000_000 {
		t.Errorf("-2.5 W over 400 ms: %v J", e)
	}
	if w := Microjoules(1_000_000).Per(400 * time.Millisecond); w != 2.5 {
		t.Errorf("1 J in 400 ms: %v W", w)
	}
	if w := Microjoules(1).Per(0); w != 0 {
		t.Errorf("power of an instant: %v", w)
	}
}

func TestGramsHaveNoExponent(t *testing.T) {
	if b, err := json.Marshal(GramsCO2e(1e-7)); err != nil || string(b) != "0.000000100" {
		t.Errorf("%s, %v", b, err)
	}
}
