package calibrate

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

const (
	svgWidth, svgHeight = 640, 360 // of one domain
	svgLeft, svgRight   = 64, 20
	svgTop, svgBottom   = 48, 52
)

// SVG draws each domain's curve, its range and its rungs, one below the other. title goes above them.
func SVG(title string, fits []Fitted) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n",
		svgWidth, 24+svgHeight*len(fits))
	fmt.Fprintf(&b, "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n<text x=\"%d\" y=\"18\">%[1]s</text>\n", escape(title), svgLeft)
	for i, f := range fits {
		fmt.Fprintf(&b, "<g transform=\"translate(0 %d)\">\n", 24+svgHeight*i)
		panel(&b, f)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func panel(b *bytes.Buffer, f Fitted) {
	top := niceAbove(f.highest())
	x := func(busy float64) float64 { return svgLeft + busy*(svgWidth-svgLeft-svgRight) }
	y := func(watts float64) float64 { return svgHeight - svgBottom - watts/top*(svgHeight-svgTop-svgBottom) }
	text := func(px, py float64, anchor, s string) {
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", px, py, anchor, escape(s))
	}
	line := func(x1, y1, x2, y2 float64, colour string) {
		fmt.Fprintf(b, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2, colour)
	}
	text(svgLeft, svgTop-24, "start", fmt.Sprintf("%s: idle %.3f W, full %.3f W", f.Name, f.Watts[0], f.Watts[10]))
	text(svgLeft, svgTop-8, "start", "line: fit; band: its range; triangles: rungs on the way up (filled) and down (open)")
	for k := 0; k <= 4; k++ {
		w := top * float64(k) / 4
		line(x(0), y(w), x(1), y(w), "#ddd")
		text(svgLeft-6, y(w)+4, "end", fmt.Sprintf("%.4g", w))
	}
	for k := 0; k <= 10; k += 2 {
		line(x(float64(k)/10), y(0), x(float64(k)/10), y(0)+4, "black")
		text(x(float64(k)/10), y(0)+18, "middle", fmt.Sprint(10*k))
	}
	fmt.Fprintf(b, "<polygon points=\"%s %s\" fill=\"#cde\"/>\n", points(f.High, x, y, false), points(f.Low, x, y, true))
	fmt.Fprintf(b, "<polyline points=\"%s\" fill=\"none\" stroke=\"#036\" stroke-width=\"2\"/>\n", points(f.Watts, x, y, false))
	line(x(0), y(0), x(1), y(0), "black")
	line(x(0), y(0), x(0), y(top), "black")
	text((x(0)+x(1))/2, y(0)+38, "middle", "busy share of the domain's CPUs, %")
	fmt.Fprintf(b, "<text transform=\"translate(16 %.1f) rotate(-90)\" text-anchor=\"middle\">power, W</text>\n", (y(0)+y(top))/2)
	for _, r := range f.Rungs {
		px, py, fill, h := x(r.Busy), y(float64(r.Power)), "#c30", -5.0
		if r.Down {
			fill, h = "white", 5
		}
		fmt.Fprintf(b, "<polygon points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\" fill=\"%s\" stroke=\"#c30\"/>\n", px, py+h, px-5, py-h, px+5, py-h, fill)
	}
}

// points of a curve from 0 to 100 %, or back.
func points(c powermodel.Curve, x, y func(float64) float64, back bool) string {
	out := make([]string, len(c))
	for i, w := range c {
		k := i
		if back {
			k = len(c) - 1 - i
		}
		out[k] = fmt.Sprintf("%.1f,%.1f", x(float64(i)/10), y(w))
	}
	return strings.Join(out, " ")
}

// escape makes a name fit to stand in XML; what XML cannot hold is replaced.
func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}
