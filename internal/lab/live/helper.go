package live

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	helperEnv = "ECO2_BPF_LAB_HELPER" // which helper this process is: driver, or a kind of load
	groupsEnv = "ECO2_BPF_LAB_GROUPS" // cgroups to join first
)

const driver = "driver"

func init() {
	name := os.Getenv(helperEnv)
	if name == "" {
		return
	}
	groups := filepath.SplitList(os.Getenv(groupsEnv))
	os.Unsetenv(helperEnv) // not for what the helper starts
	os.Unsetenv(groupsEnv)
	for _, dir := range groups {
		must(os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0))
	}
	// Not in this goroutine: while packages are initialised it is locked to its thread.
	done := make(chan struct{})
	go func() {
		defer close(done)
		if name == driver {
			var l Law
			must(json.Unmarshal([]byte(os.Args[1]), &l))
			must(l.drive())
			return
		}
		var w Work
		must(json.Unmarshal([]byte(os.Args[1]), &w))
		must(w.run(name))
	}()
	<-done
	os.Exit(0)
}

// must ends a helper that cannot go on.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "laboratory's helper:", err)
		os.Exit(1)
	}
}

// ownTime is the CPU time of this process, its children's not.
func ownTime() time.Duration { return cpuClock(unix.CLOCK_PROCESS_CPUTIME_ID) }

// threadTime is that of the calling thread.
func threadTime() time.Duration { return cpuClock(unix.CLOCK_THREAD_CPUTIME_ID) }

func cpuClock(id int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0 // it is there on every Linux
	}
	return time.Duration(ts.Nano())
}
