package bpf

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the clock that all processes share.
func monotonic() time.Duration {
	var ts unix.Timespec
	must(unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts))
	return time.Duration(ts.Nano())
}

// stretch is a piece of time by that clock.
type stretch struct{ from, to time.Duration }

// duty START BUSY PERIOD TIMES: burns so long in each period, the first one at START by the clock, at real-time priority: nobody comes in
// between. Then it prints when it burned, each time on a line.
func helperDuty(args []string) {
	becomeFIFO()
	start, busy, period := duration(args[0]), duration(args[1]), duration(args[2])
	all := make([]stretch, 0, atoi(args[3]))
	gate()
	for i := range cap(all) {
		at := unix.NsecToTimespec(int64(start + time.Duration(i)*period))
		for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil) == unix.EINTR {
		}
		s := stretch{from: monotonic()}
		for end := start + time.Duration(i)*period + busy; s.to < end; s.to = monotonic() {
		}
		all = append(all, s)
	}
	w := bufio.NewWriter(os.Stdout)
	for _, s := range all {
		fmt.Fprintln(w, int64(s.from), int64(s.to))
	}
	must(w.Flush())
}

// faults PAGES TIMES: touches so many new pages, again and again. Then it prints how many page faults that took by the kernel's count.
func helperFaults(args []string) {
	gate()
	var before, after unix.Rusage
	must(unix.Getrusage(unix.RUSAGE_SELF, &before))
	for range atoi(args[1]) {
		mem, err := unix.Mmap(-1, 0, atoi(args[0])*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		must(err)
		_ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE) // without huge pages there is no need to
		for i := 0; i < len(mem); i += os.Getpagesize() {
			mem[i] = 1
		}
		must(unix.Munmap(mem))
	}
	must(unix.Getrusage(unix.RUSAGE_SELF, &after))
	fmt.Println(strconv.FormatInt(after.Minflt-before.Minflt, 10))
}
