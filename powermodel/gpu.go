package powermodel

// GPU is the shape of a GPU's power, for the idle share of one whose floor has not been learned yet: watts are parts of its board power.
// Ratios of idle and full load are those behind the estimates of Teads and Cloud Carbon Footprint for data-centre cards (Apache-2.0); the
// spread is that of cards that idle from a twentieth to a third.
func GPU() Model {
	return inProportion(Model{
		Key: "gpu", How: "idle at 11.5 % of board power", Scope: "gpu",
		Idle: Range{Value: 0.115, Low: 0.05, High: 0.33}, Max: Range{Value: 1.02, Low: 0.8, High: 1.1},
	})
}

// inProportion is a model whose power rises with load in proportion.
func inProportion(m Model) Model {
	m.CurveKey = "model_linear"
	for i := range m.Curve {
		m.Curve[i] = float64(i) / float64(len(m.Curve)-1)
	}
	m.CurveLow, m.CurveHigh = m.Curve, m.Curve
	return m
}
