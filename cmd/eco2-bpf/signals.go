package main

import (
	"context"
	"os"
	"os/signal"
	"time"

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

// untilSignal returns a context that ends at the first signal that asks to end. Another one ends the process, but not at once: a shell
// and the kernel may both tell of one hangup, and the totals are still to be written. A script ends its background jobs by SIGINT
// though it has started them with that ignored; nohup means what it says.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT)
	notify(c, unix.SIGHUP)
	go func() {
		select {
		case <-c:
		case <-ctx.Done():
		}
		cancel()
		time.Sleep(time.Second)
		signal.Stop(c)
	}()
	return ctx, cancel
}
