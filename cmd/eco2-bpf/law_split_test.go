package main

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/live"
)

// The idle energy of the law is paid by a cgroup that sleeps all the time, as its quota says: a tenth of a CPU.
func TestLawReservation(t *testing.T) {
	tree := lawNewTree(t, "")
	dir := filepath.Join(lawMount(t, "cpu"), "eco2-bpf-reserves")
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		t.Skipf("no cpu controller to make a cgroup under: %v", err)
	}
	t.Cleanup(func() { lawRmdir(t, dir) })
	const quota, period = 10_000, 100_000
	sleeper := lawStart(t, "duty", 0) // it waits at its gate
	for _, w := range []struct{ file, text string }{
		{"cpu.shares", "262144"}, {"cpu.cfs_period_us", strconv.Itoa(period)}, {"cpu.cfs_quota_us", strconv.Itoa(quota)}, {"cgroup.procs", strconv.Itoa(sleeper.pid())},
	} {
		if err := os.WriteFile(filepath.Join(dir, w.file), []byte(w.text), 0); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--sysfs", tree.sysfs, "--source", "rapl", "--idle-watts", "package-0=20,dram-0=1", "--idle", "reservation"}
	byProcess := lawRunAttach(t, 3*time.Second, args...)
	byGroup := lawRunAttach(t, 3*time.Second, append(args, "--by", "cgroup")...)
	_, process := byProcess.wait(t)
	_, group := byGroup.wait(t)
	sleeper.release(t)
	sleeper.wait(t)

	for kind, total := range map[string]live.Snapshot{"reserved": process, "group": group} {
		row, n := total.Sum(func(r *live.Row) bool { return r.Kind == kind && strings.HasSuffix(r.Cgroup, "eco2-bpf-reserves") })
		topo, _ := host.ReadTopology("/sys", runtime.NumCPU())
		cpus := float64(len(topo.CPUsOf(-1, -1)))
		// 21 W, but for what the counters' steps leave open.
		want := 21e6 * total.Seconds * quota / period / cpus
		t.Logf("%s: %d uJ of %.0f", kind, row.Joules, want)
		if n != 1 || math.Abs(float64(row.Joules)/want-1) > 0.06 {
			t.Errorf("%s: %d uJ in %d rows, want %.0f", kind, row.Joules, n, want)
		}
	}
}

// An explanation of a real process can be done again by hand, and its sums are those of the counters.
func TestLawExplain(t *testing.T) {
	tree := lawNewTree(t, "")
	load := lawStart(t, "steady", 2*time.Second)
	pid := strconv.Itoa(load.pid())
	cmd := lawCommand(t)
	cmd.Args = append(cmd.Args, "attach", "-d", "3s", "-o", "json", "--sysfs", tree.sysfs, "--source", "rapl", "--idle-watts", "package-0=20,dram-0=1", "--explain", pid+",idle,nosuch")
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	load.release(t)
	load.wait(t)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, talk.Bytes())
	}
	if !strings.Contains(talk.String(), "nosuch") {
		t.Errorf("nothing was said of the row that there is not: %s", talk.Bytes())
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	var total struct {
		Energy    []struct{ Joules json.Number }
		Rows      []struct{ Joules json.Number }
		Explained []struct {
			Row     int
			Joules  json.Number
			Domains []struct {
				Energy     json.Number `json:"energy_joules"`
				Idle       json.Number `json:"idle_joules"`
				Earlier    json.Number `json:"earlier_joules"`
				Active     json.Number `json:"active_joules"`
				IdlePart   json.Number `json:"idle_part_joules"`
				ActivePart json.Number `json:"active_part_joules"`
				Biggest    struct {
					Shared     json.Number `json:"shared_joules"`
					Part       json.Number `json:"part_joules"`
					Weight     int64
					AllWeights int64 `json:"all_weights"`
				} `json:"biggest_step"`
			}
		}
	}
	if err := json.Unmarshal(lines[len(lines)-1], &total); err != nil {
		t.Fatal(err)
	}
	if len(total.Explained) != 2 {
		t.Fatalf("%d rows are explained", len(total.Explained))
	}
	for _, x := range total.Explained {
		var sum int64
		for d, dom := range x.Domains {
			e := micro(t, dom.Energy)
			if e != micro(t, total.Energy[d].Joules) || e != micro(t, dom.Idle)+micro(t, dom.Earlier)+micro(t, dom.Active) {
				t.Errorf("row %d: domain %d: %+v", x.Row, d, dom)
			}
			sum += micro(t, dom.IdlePart) + micro(t, dom.ActivePart)
			if b := dom.Biggest; b.AllWeights > 0 {
				exact := new(big.Int).Mul(big.NewInt(micro(t, b.Shared)), big.NewInt(b.Weight))
				exact.Div(exact, big.NewInt(b.AllWeights))
				if off := exact.Int64() - micro(t, b.Part); off < -1 || off > 1 {
					t.Errorf("row %d: domain %d: %d uJ of %+v", x.Row, d, exact, b)
				}
			}
		}
		if sum != micro(t, x.Joules) || sum != micro(t, total.Rows[x.Row].Joules) {
			t.Errorf("row %d: %d uJ are explained, of %v", x.Row, sum, total.Rows[x.Row].Joules)
		}
	}
}

// What this machine cannot weigh by is an error if it was asked for by name, and said otherwise.
func TestWeightsThatAreNotHere(t *testing.T) {
	lawNeeds(t)
	sysfs := t.TempDir() // which tells of no siblings, no kinds of cores and no frequency
	for _, c := range []struct {
		weights, want string
		code          int
	}{{"smt", "--weights smt", exitUnavailable}, {"hybrid", "--weights hybrid", exitUnavailable}, {"frequency", "--weights frequency", exitUnavailable}, {"auto", "smt is not weighed", 0}} {
		cmd := lawCommand(t)
		cmd.Args = append(cmd.Args, "attach", "-d", "100ms", "--source", "estimate", "--sysfs", sysfs, "--weights", c.weights)
		var talk bytes.Buffer
		cmd.Stderr = &talk
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(talk.String(), c.want) {
			t.Errorf("%s: exit code %d, %s", c.weights, code, talk.Bytes())
		}
	}
}
