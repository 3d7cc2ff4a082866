package powermodel

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// FuzzFloor feeds arbitrary windows: whatever comes, the split is finite, ordered and within the energy.
func FuzzFloor(f *testing.F) {
	window := func(e, busy, wall int64) []byte {
		b := binary.LittleEndian.AppendUint64(nil, uint64(e))
		b = binary.LittleEndian.AppendUint64(b, uint64(busy))
		return binary.LittleEndian.AppendUint64(b, uint64(wall))
	}
	var normal, wild []byte
	for i := range int64(8) {
		normal = append(normal, window(20e6+i*2e6, i*2e8, 1e9)...)
		wild = append(wild, window(math.MaxInt64>>i, math.MaxInt64, math.MaxInt64>>(i*7))...)
	}
	f.Add(2, true, normal)
	f.Add(1, false, wild)
	f.Add(-5, false, window(-1, -1, -1))
	f.Add(64, false, append(window(0, 0, 1e9), window(math.MaxInt64, 1, 1)...))
	models := []Model{milan(), {}}
	f.Fuzz(func(t *testing.T, cpus int, table bool, windows []byte) {
		m := models[0]
		if !table {
			m = models[1]
		}
		fl := NewFloor(cpus, m)
		for len(windows) >= 24 {
			e := units.Microjoules(binary.LittleEndian.Uint64(windows))
			busy := time.Duration(binary.LittleEndian.Uint64(windows[8:]))
			wall := time.Duration(binary.LittleEndian.Uint64(windows[16:]))
			windows = windows[24:]
			fl.Observe(e, busy, wall)
			got := fl.Idle(e, busy, wall)
			if !(0 <= got.Low && got.Low <= got.Watts && got.Watts <= got.High) || math.IsInf(float64(got.High), 0) {
				t.Fatalf("%v %v %v: %+v", e, busy, wall, got)
			}
			if got.Energy < 0 || (got.Energy > e && e >= 0) || (e < 0 && got.Energy != 0) {
				t.Fatalf("%v %v %v: %+v", e, busy, wall, got)
			}
		}
	})
}
