// Command eco2-bpf tells how many joules, and how many grams of CO2e, each process on this machine used.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/output"
)

// Exit codes. run passes its command's own code through, and uses 126 and 127 as shells do.
const (
	exitOK            = 0
	exitFailure       = 1
	exitUsage         = 2
	exitUnavailable   = 3 // privilege or kernel feature missing
	exitNotExecutable = 126
	exitNotFound      = 127
)

// command is one subcommand: run returns the exit code of a success, or an error.
type command struct {
	name, args, short string
	run               func(args []string) (int, error)
}

func commands() []command {
	return []command{
		{"attach", "[flags]", "watch the whole machine, or some processes, until Ctrl-C", runAttach},
		{"run", "[flags] -- CMD [ARGS...]", "run a command and report what it and its descendants used", runRun},
		{"calibrate", "-f FILE [flags]", "fit a power model of this machine to its counters", runCalibrate},
		{"record", "FILE [flags]", "record what is read of this machine, for attach --replay", runRecord},
		{"sources", "[flags]", "which energy counters were tried, and why not", runSources},
		{"doctor", "[flags]", "check this machine and say what to do", runDoctor},
		{"regions", "[QUERY]", "list regions and their carbon intensity", runRegions},
		{"version", "", "print the version", runVersion},
	}
}

func main() { os.Exit(mainWithExitCode(os.Args[1:])) }

func mainWithExitCode(args []string) int {
	if len(args) == 0 {
		printUsage(os.Stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "--help":
		printUsage(stdout)
		return finished("", exitOK)
	case "--version":
		args = []string{"version"}
	}
	for _, c := range append(commands(), command{name: cleanerName, run: runCleaner}) {
		if c.name != args[0] {
			continue
		}
		code, err := c.run(args[1:])
		if err != nil && !errors.Is(err, pflag.ErrHelp) {
			return report(c.name, err)
		}
		return finished(c.name, code)
	}
	return report("", usagef("unknown command %q; see: eco2-bpf help", args[0]))
}

// finished is the exit code of a command that did what it was asked for, if what it printed got where it was to go.
func finished(command string, code int) int {
	if stdout.err != nil && code == exitOK {
		return report(command, fmt.Errorf("write the output: %w", stdout.err))
	}
	return code
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "usage: eco2-bpf COMMAND [flags]\n\nJoules and grams of CO2e of every process on this machine, counted in the kernel by eBPF.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %-26s %s\n", c.name, c.args, c.short)
	}
	fmt.Fprint(w, `
Examples:
  sudo eco2-bpf attach                          every second, until Ctrl-C
  sudo eco2-bpf attach -d 10s --by user         who used it, over ten seconds
  sudo eco2-bpf run --region FR -- make -j8     what a build costs
  sudo eco2-bpf attach -p 1234 -o json          one process and its descendants, as JSON lines

See eco2-bpf COMMAND --help for the flags of each. Exit codes: 0; 1 failure; 2 usage; 3 privilege or kernel feature missing.
`)
}

// usageError is a mistake in the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// exitError carries an exit code that is no failure of ours: 126 and 127.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// report prints an error on one line, with the next step where one is known, and returns the exit code it stands for.
func report(command string, err error) int {
	code, next := exitFailure, ""
	var (
		usage       *usageError
		config      *engine.ConfigError
		region      *intensity.UnknownRegionError
		noFactor    *intensity.NoFactorError
		unavailable *bpf.UnavailableError
		exit        *exitError
	)
	switch {
	case errors.As(err, &unavailable):
		code, next = exitUnavailable, unavailable.Next
	case errors.As(err, &exit):
		code = exit.code
	case errors.As(err, &region):
		code, next = exitUsage, "list them with: eco2-bpf regions [QUERY]"
	case errors.As(err, &usage), errors.As(err, &config), errors.As(err, &noFactor):
		code = exitUsage
	case errors.Is(err, fs.ErrPermission):
		code = exitUnavailable
	}
	prefix := "eco2-bpf: "
	if command != "" {
		prefix += command + ": "
	}
	// One line whatever the error holds: it may quote what a user, a file or a process said.
	var b strings.Builder
	for i, line := range strings.Split(err.Error(), "\n") {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(output.Clean(line))
	}
	text := b.String()
	if next != "" {
		text += "; " + next
	}
	fmt.Fprintln(os.Stderr, prefix+text)
	return code
}

// say tells the user something beside the data, on stderr.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "eco2-bpf: "+format+"\n", args...) }
