package host

import (
	"time"

	"golang.org/x/sys/unix"
)

// Tick is how often the scheduler looks at a task that runs on, 1/HZ: what the coarse clocks go by. 0: the kernel does not say.
func Tick() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
