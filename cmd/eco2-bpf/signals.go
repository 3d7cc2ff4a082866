package main

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// notify is signal.Notify but for signals that whoever started us wants ignored (nohup, a shell's background): a handler would undo that
// for the commands that we start, too. Go tells it of SIGHUP and SIGINT only.
func notify(c chan<- os.Signal, signals ...os.Signal) {
	for _, sig := range signals {
		if !signal.Ignored(sig) {
			signal.Notify(c, sig)
		}
	}
}

// untilSignal returns a context that ends at the first signal that asks to end; the second one ends the process.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	c := make(chan os.Signal, 1)
	notify(c, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	go func() {
		select {
		case <-c:
		case <-ctx.Done():
		}
		signal.Stop(c)
		cancel()
	}()
	return ctx, cancel
}
