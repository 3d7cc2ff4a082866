package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// canvas is an SVG that grows as it is drawn. Coordinates are pixels from the top left corner.
type canvas struct{ bytes.Buffer }

func newCanvas(width, height float64, title string) *canvas {
	c := &canvas{}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %[1]g %[2]g" font-family="sans-serif" font-size="11">`+"\n", width, height)
	fmt.Fprintf(c, "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n", html.EscapeString(title))
	c.text(16, 20, "start", title, `font-size="14"`)
	return c
}

// end closes the drawing, which is complete then.
func (c *canvas) end() []byte {
	c.WriteString("</svg>\n")
	return c.Bytes()
}

// text writes a line; more are attributes.
func (c *canvas) text(x, y float64, anchor, s, more string) {
	fmt.Fprintf(c, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>%s</text>\n", x, y, anchor, more, html.EscapeString(s))
}

func (c *canvas) line(x1, y1, x2, y2 float64, colour string) {
	fmt.Fprintf(c, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2, colour)
}

// path draws strokes that are written as those of an SVG path.
func (c *canvas) path(strokes, colour string) {
	if strokes != "" {
		fmt.Fprintf(c, "<path d=\"%s\" stroke=\"%s\"/>\n", strokes, colour)
	}
}

func (c *canvas) rect(x, y, width, height float64, colour string) {
	fmt.Fprintf(c, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x, y, width, height, colour)
}

func (c *canvas) dot(x, y, r float64, colour string) {
	fmt.Fprintf(c, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" fill-opacity=\"0.75\"/>\n", x, y, r, colour)
}

// logScale puts values between low and high, which are powers of ten, on pixels from from to to; others are put at the end that is nearest.
type logScale struct{ low, high, from, to float64 }

func (s logScale) at(v float64) float64 {
	part := 0.0
	switch {
	case v >= s.high || math.IsNaN(v):
		part = 1
	case v > s.low:
		part = math.Log10(v/s.low) / math.Log10(s.high/s.low)
	}
	return s.from + part*(s.to-s.from)
}

// marks are the powers of ten on the scale.
func (s logScale) marks() []float64 {
	var out []float64
	for v := s.low; v <= s.high*1.0001 && len(out) < 20; v *= 10 {
		out = append(out, v)
	}
	return out
}

// decades are the powers of ten that hold all positive values.
func decades(values []float64) (low, high float64) {
	low, high = math.Inf(1), 0
	for _, v := range values {
		if v > 0 && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	if high == 0 {
		return 0.1, 1
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	if high <= low {
		high = 10 * low
	}
	return max(low, high/1e8), high
}
