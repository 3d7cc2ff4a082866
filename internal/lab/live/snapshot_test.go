package live

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestMicro(t *testing.T) {
	for text, want := range map[string]Micro{"1.000001": 1_000_001, "0.000000": 0, "262143.328850": 262143328850, "-0.000001": -1} {
		var m Micro
		if err := json.Unmarshal([]byte(text), &m); err != nil || m != want && text[0] != '-' || text[0] == '-' && m > 0 {
			t.Errorf("%s is %d, %v", text, m, err)
		}
	}
	for _, text := range []string{"1", "1.5", "1e3", "1.0000001"} {
		var m Micro
		if err := json.Unmarshal([]byte(text), &m); err == nil {
			t.Errorf("%s is %d, not an error", text, m)
		}
	}
}

// window is a snapshot that holds all laws.
func window(kind string) Snapshot {
	return Snapshot{Kind: kind, Energy: []Energy{{Domain: "package-0", Joules: 30, Low: 30, High: 30}, {Domain: "dram-0", Joules: 5, Low: 5, High: 5}},
		Rows: []Row{
			{Kind: "process", PID: 7, Joules: 12, Switches: 3, ByDomain: map[string]Micro{"package-0": 10, "dram-0": 2}},
			{Kind: "idle", Joules: 23, ByDomain: map[string]Micro{"package-0": 20, "dram-0": 3}}}}
}

// A microjoule too much or too little is a breach.
func TestConserved(t *testing.T) {
	s := window("window")
	if err := s.Conserved(); err != nil {
		t.Error(err)
	}
	for name, breach := range map[string]func(*Snapshot){
		"add up to 31 uJ":            func(s *Snapshot) { s.Rows[0].ByDomain["package-0"]++; s.Rows[0].Joules++ },
		"add up to 29 uJ":            func(s *Snapshot) { s.Rows[1].ByDomain["package-0"]--; s.Rows[1].Joules-- },
		"add up to 12 uJ":            func(s *Snapshot) { s.Rows[0].Joules++ },
		"less than nothing":          func(s *Snapshot) { s.Rows[0].ByDomain["dram-0"], s.Rows[1].ByDomain["dram-0"] = -1, 6 },
		"out of its bounds":          func(s *Snapshot) { s.Energy[0].Low = 31 },
		"itself saw 1 breaches":      func(s *Snapshot) { s.Losses.Breaches = 1 },
		"the domains of {Kind:idle ": func(s *Snapshot) { delete(s.Rows[1].ByDomain, "dram-0"); s.Rows[1].Joules -= 3 },
	} {
		s := window("window")
		breach(&s)
		if err := s.Conserved(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAddUp(t *testing.T) {
	total := func() Snapshot {
		s := window("total")
		for i := range s.Energy {
			s.Energy[i].Joules *= 2
		}
		for i := range s.Rows {
			s.Rows[i].Switches *= 2
			for d := range s.Rows[i].ByDomain {
				s.Rows[i].ByDomain[d] *= 2
			}
		}
		return s
	}
	windows := []Snapshot{window("window"), window("window")}
	if err := AddUp(windows, total()); err != nil {
		t.Error(err)
	}
	for name, wrong := range map[string]func(*Snapshot){
		"windows add up to 60 uJ":       func(s *Snapshot) { s.Energy[0].Joules++ },
		"in the windows package-0 has":  func(s *Snapshot) { s.Rows[0].ByDomain["package-0"]++ },
		"in the windows it has":         func(s *Snapshot) { s.Rows[0].Switches++ },
		"is in a window, not in":        func(s *Snapshot) { s.Rows = s.Rows[:1] },
		"in the windows it has <nil>":   func(s *Snapshot) { s.Rows = append(s.Rows, Row{PID: 9}) },
		"windows add up to 10 uJ, the ": func(s *Snapshot) { s.Energy[1].Joules = 0 },
	} {
		s := total()
		wrong(&s)
		if err := AddUp(windows, s); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
