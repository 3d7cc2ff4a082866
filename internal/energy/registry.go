package energy

import (
	"errors"
	"fmt"
	"strings"
)

// Choices of a source, for Options.Choice.
const (
	ChooseAuto     = "auto"
	ChooseRAPL     = "rapl"
	ChooseEstimate = "estimate"
)

// Reason is why a source, or one part of it, is used or is not. All of them are kept: whoever looks for missing joules needs each one.
type Reason struct {
	Source string // "powercap", "estimate"
	OK     bool   // used, or left out because its joules are counted elsewhere; false: joules are missing, or their error is larger
	Text   string
	Next   string // what the user can do; may be empty
	Part   Part   // what it is about; its zero value: the source as a whole
}

// Part is one thing whose energy could be read, counted or not: a line of the containment table.
type Part struct {
	Name    string // as its source names it, such as package-0 or intel-rapl:0:1; empty: none
	Scope   string
	Inside  string // name of the part whose joules include its own; empty: it stands beside the others
	Counted bool   // it is a Domain
}

// Options of Detect.
type Options struct {
	Choice   string                      // "" is ChooseAuto
	Sysfs    string                      // "" is /sys
	Estimate func() ([]ZoneModel, error) // the models of an estimate; nil: none can be made
}

// Detect opens the first source that works, with the reasons of all that were tried. It never falls back from a source that was asked for by name.
func Detect(opts Options) (Source, []Reason, error) {
	if opts.Sysfs == "" {
		opts.Sysfs = "/sys"
	}
	switch opts.Choice {
	case ChooseEstimate:
		return detectEstimate(opts)
	case ChooseRAPL:
		src, reasons, err := OpenPowercap(opts.Sysfs)
		if err != nil {
			return nil, reasons, explain(err, reasons)
		}
		return src, reasons, nil
	case ChooseAuto, "":
	default:
		return nil, nil, fmt.Errorf("unknown energy source %q: choose %s, %s or %s", opts.Choice, ChooseAuto, ChooseRAPL, ChooseEstimate)
	}
	src, reasons, err := OpenPowercap(opts.Sysfs)
	if err == nil {
		return src, append(reasons, Reason{Source: sourceEstimate, OK: true, Text: "estimate is not needed: there is a counter"}), nil
	}
	src, more, errEst := detectEstimate(opts)
	reasons = append(reasons, more...)
	if errEst != nil {
		return nil, reasons, fmt.Errorf("no energy source: %w", errors.Join(err, errEst))
	}
	return src, reasons, nil
}

func detectEstimate(opts Options) (Source, []Reason, error) {
	err := fmt.Errorf("no power model: %w", ErrAbsent)
	var models []ZoneModel
	if opts.Estimate != nil {
		if models, err = opts.Estimate(); err != nil {
			err = fmt.Errorf("estimate power: %w", err)
		} else if len(models) == 0 {
			err = fmt.Errorf("no power model for this machine: %w", ErrAbsent)
		}
	}
	if err != nil {
		return nil, []Reason{{Source: sourceEstimate, Text: err.Error()}}, err
	}
	src := NewEstimate(models)
	var reasons []Reason
	for _, d := range src.Domains() {
		reasons = append(reasons, Reason{Source: sourceEstimate, OK: true, Text: d.Name + " is estimated: " + d.Detail})
	}
	return src, reasons, nil
}

// explain puts what went wrong and the next steps into the error itself: who asked for a counter by name may see nothing but that.
func explain(err error, reasons []Reason) error {
	var parts, next []string
	for _, r := range reasons {
		if !r.OK && !strings.Contains(err.Error(), r.Text) {
			parts = append(parts, r.Text)
		}
		if r.Next != "" && !strings.Contains(strings.Join(next, "\n"), r.Next) {
			next = append(next, r.Next)
		}
	}
	next = append(next, "or run with --source estimate")
	if len(parts) > 0 {
		err = fmt.Errorf("%w (%s)", err, strings.Join(parts, "; "))
	}
	return fmt.Errorf("%w: %s", err, strings.Join(next, "; "))
}
