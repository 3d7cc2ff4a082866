package sim

// linear is a machine by the book of those who share by CPU time: a second of CPU is a second of CPU.
func linear() MachineSpec {
	return MachineSpec{
		Name: "linear: 2 sockets of 4 cores, one frequency, no SMT", Sockets: 2,
		Cores: []Cores{{Count: 4, Threads: 1, Nanofarads: 2, MinKHz: 2_500_000, BaseKHz: 2_500_000, MaxKHz: 2_500_000,
			LowVolts: 1, HighVolts: 1}},
		FloorWatts: 20, DRAMWatts: 3, MissJoules: 12e-9, CStates: true, Noise: 0.002, TDPWatts: 65, MemoryBytes: 64 << 30,
	}
}

// server has SMT, turbo and C-states. gain is its SMTGain.
func server(sockets, cores int, gain float64) MachineSpec {
	return MachineSpec{
		Name: "server: SMT, frequency by core, C-states", Sockets: sockets,
		Cores: []Cores{{Count: cores, Threads: 2, Nanofarads: 1.6, Leak: 0.8, MinKHz: 800_000, BaseKHz: 2_600_000, MaxKHz: 3_500_000,
			LowVolts: 0.70, HighVolts: 1.10}},
		FloorWatts: 6 + float64(cores), WakeWatts: 4, SMTGain: gain, CStates: true, DRAMWatts: 2 + float64(cores)/4, MissJoules: 12e-9,
		Noise: 0.004, IRQTime: true, TDPWatts: 10 + 7*float64(cores), MemoryBytes: 128 << 30,
	}
}

// laptop has performance and efficiency cores, psys, and counters for cores and graphics, but none for memory's.
func laptop(gain float64) MachineSpec {
	return MachineSpec{
		Name: "laptop: 4 performance cores with SMT, 8 efficiency cores", Sockets: 1,
		Cores: []Cores{
			{Count: 4, Threads: 2, Nanofarads: 1.5, Leak: 0.5, MinKHz: 400_000, BaseKHz: 3_400_000, MaxKHz: 4_700_000, LowVolts: 0.65, HighVolts: 1.20},
			{Count: 8, Threads: 1, Efficient: true, Nanofarads: 0.6, Leak: 0.2, MinKHz: 400_000, BaseKHz: 2_600_000, MaxKHz: 3_600_000,
				LowVolts: 0.65, HighVolts: 1.05},
		},
		FloorWatts: 2.5, WakeWatts: 1.2, MissJoules: 12e-9, SMTGain: gain, CStates: true, BoardWatts: 5, CoreZone: true, UncoreWatts: 0.4,
		Noise: 0.004, TDPWatts: 28, MemoryBytes: 16 << 30,
	}
}
