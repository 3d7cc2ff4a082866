package powermodel

import "math"

// Curve is f(u): the share of the way from idle to full power at 0, 10, ... 100 % busy.
type Curve [11]float64

// At reads the curve by straight lines between its points. A NaN is no load.
func (c Curve) At(busyShare float64) float64 {
	u := share(busyShare) * 10
	i := int(u)
	if i >= 10 {
		return c[10]
	}
	return c[i] + (c[i+1]-c[i])*(u-float64(i))
}

func share(u float64) float64 {
	if math.IsNaN(u) || u < 0 {
		return 0
	}
	return min(u, 1)
}

// hostCurve was measured by RAPL on cloud metal with its default governor. SPECpower systems are tuned and lower their frequency with the
// load; cloud hosts do not, nor does a machine with the governor "performance", so these use it (utilisation_curve.csv).
const hostCurve = "rapl_cloud_teads"

// groupCurve picks the group of SPECpower curves by maker and by the year a part's results begin. Results from 2011
// already belong to Sandy Bridge and Bulldozer, whose curves sit with those of 2012-2016.
func groupCurve(vendor string, from int) string {
	if vendor != "intel" && vendor != "amd" {
		return "spec_all"
	}
	switch {
	case from <= 2010:
		return "spec_" + vendor + "_2007_2011"
	case from <= 2016:
		return "spec_" + vendor + "_2012_2016"
	default:
		return "spec_" + vendor + "_2017"
	}
}

// envelope gives the lower and the upper of two curves point by point: the spread between a tuned server and a cloud host
// is the honest doubt about the shape.
func envelope(a, b Curve) (low, high Curve) {
	for i := range a {
		low[i], high[i] = min(a[i], b[i]), max(a[i], b[i])
	}
	return low, high
}
