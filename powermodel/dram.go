package powermodel

// DRAM is the shape of the power of the memory behind a package, for the idle share of a domain whose floor has not been learned yet: watts are
// parts of its power at full load. Memory is refreshed whether it is used or not, so its floor is more of it than a package's is: taken for half,
// with all but nothing to all but everything as the range, as no table of measured servers tells memory apart.
func DRAM() Model {
	return inProportion(Model{
		Key: "dram", How: "idle at half of the power at full load", Scope: "dram",
		Idle: Range{Value: 0.5, Low: 0.1, High: 0.98}, Max: Range{Value: 1, Low: 1, High: 1},
	})
}
