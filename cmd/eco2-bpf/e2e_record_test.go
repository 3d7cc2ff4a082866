package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ownUse is what a report says of the program that made it: live and replay differ in that alone.
var ownUse = regexp.MustCompile(`,"self":\{[^}]*\}`)

// sameReports compares JSON reports to the byte, but for what they say of the program itself.
func sameReports(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.SplitAfter(ownUse.ReplaceAllString(got, ""), "\n"), strings.SplitAfter(ownUse.ReplaceAllString(want, ""), "\n")
	if len(g) != len(w) {
		t.Fatalf("%d lines, want %d", len(g), len(w))
	}
	for i := range w {
		if g[i] == w[i] {
			continue
		}
		at := 0
		for at < min(len(g[i]), len(w[i])) && g[i][at] == w[i][at] {
			at++
		}
		from := max(0, at-300)
		t.Fatalf("line %d of %d differs:\n got ...%.600s\nwant ...%.600s", i+1, len(w), g[i][from:], w[i][from:])
	}
}

// What attach showed while it recorded is what the recording shows, to the byte: joules, times, names, parents, command lines.
func TestReplayIsWhatAttachShowed(t *testing.T) {
	e2eNeedKernel(t)
	for _, by := range []string{"process", "thread", "command"} {
		file := filepath.Join(t.TempDir(), "recording")
		attach := eco2(t, "attach", "--by", by, "--record", file, "-o", "json", "-i", "500ms", "-d", "2500ms")
		lines := startLines(t, attach)
		live := <-lines
		load := eco2(t) // the test's own program would do, but for its name
		load.Path, load.Args = "/bin/sh", []string{"sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sh -c 'exec true'; done; exec " + os.Args[0] + " 300ms " + file + ".use"}
		load.Env = e2eHelper("spin")
		if o := finish(t, load); o.code != 0 {
			t.Fatal(o)
		}
		for line := range lines {
			live += line
		}
		if code := waitCode(t, attach); code != 0 {
			t.Fatalf("attach ended with %d", code)
		}
		sameReports(t, succeed(t, "attach", "--by", by, "--replay", file, "-o", "json", "-i", "500ms").stdout, live)
		var total wireReport
		if err := json.Unmarshal([]byte(live[strings.LastIndexByte(strings.TrimSpace(live), '\n')+1:]), &total); err != nil {
			t.Fatal(err)
		}
		var use [2]int64
		b, err := os.ReadFile(file + ".use")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(string(b), &use[0], &use[1]); err != nil {
			t.Fatal(err)
		}
		if by == "process" {
			if r := total.pid(int(use[0])); r == nil || r.CPUSeconds < 0.05 || r.Exe == "" || len(r.Args) < 2 {
				t.Errorf("the load is not in it: %+v", r)
			}
		}
	}
}

// One recording answers every question; its energy is the same by whatever rows, and a factor of the replay's own changes grams only.
func TestRecordAndReplay(t *testing.T) {
	e2eNeedKernel(t)
	file := filepath.Join(t.TempDir(), "recording")
	o := succeed(t, "record", "-d", "2s", "--domains", "cpu", "--factor", "100", "--pue", "1.5", file)
	if o.stdout != "" || !strings.Contains(o.stderr, "recorded 2 steps to "+file) && !strings.Contains(o.stderr, "recorded 8 steps to "+file) {
		t.Error(o)
	}
	if st, err := os.Stat(file); err != nil || st.Mode() != 0o600 {
		t.Errorf("command lines of all users are for root alone: %v, %v", st.Mode(), err)
	}
	all := jsonLines(t, succeed(t, "attach", "--replay", file, "-o", "json").stdout)
	want := all[len(all)-1]
	if want.Kind != "total" || want.Seconds < 1.9 || want.Intensity.GPerKWh != 100 || want.Intensity.PUE != 1.5 {
		t.Errorf("total %+v", want)
	}
	for _, args := range [][]string{{"--by", "user"}, {"--by", "tree", "--idle", "active"}, {"--by", "cgroup", "--idle", "equal"}, {"--factor", "700"}, {"-i", "1h"}, {"-n", "3"}, {"--comm", "nobody"}} {
		all := jsonLines(t, succeed(t, append([]string{"attach", "--replay", file, "-o", "json"}, args...)...).stdout)
		total := all[len(all)-1]
		for d := range want.Energy {
			if total.Energy[d].Joules != want.Energy[d].Joules {
				t.Errorf("%v: %s J of %s", args, total.Energy[d].Joules, want.Energy[d].Joules)
			}
		}
		if args[0] == "--factor" && total.Intensity.GPerKWh != 700 {
			t.Errorf("--factor 700: %v", total.Intensity)
		}
		if args[0] == "-i" && len(all) != 2 {
			t.Errorf("-i 1h: %d reports", len(all))
		}
	}
	if table := succeed(t, "attach", "--replay", file).stdout; !strings.Contains(table, "total") || !strings.Contains(table, "(idle)") {
		t.Errorf("as a table:\n%s", table)
	}
	if sources := succeed(t, "sources", "-v", "--replay", file).stdout; !strings.Contains(sources, "in use:\n  "+want.Energy[0].Domain) || !strings.Contains(sources, "PART") {
		t.Errorf("sources:\n%s", sources)
	}
	if doctor := succeed(t, "doctor", "--replay", file).stdout; !strings.Contains(doctor, "the recording is whole") || !strings.Contains(doctor, want.Energy[0].Domain+" is ") {
		t.Errorf("doctor:\n%s", doctor)
	}
	oneLine(t, finish(t, eco2(t, "run", "--replay", file, "--", "true")), 2, "--replay", "attach --replay FILE")
	for args, want := range map[string]string{
		"--by thread": "--by thread|--threads", "--source rapl": "--source|--replay", "-p 1": "--pid|--replay", "-d 1s": "--duration|--replay",
		"--idle-watts nosuch=1": "--idle-watts|nosuch",
	} {
		oneLine(t, finish(t, eco2(t, append([]string{"attach", "--replay", file}, strings.Fields(args)...)...)), 2, strings.Split(want, "|")...)
	}
}

// A pipe carries a recording as well as a file does.
func TestRecordToPipe(t *testing.T) {
	e2eNeedKernel(t)
	o := succeed(t, "record", "-d", "1s", "--domains", "cpu", "-")
	replay := eco2(t, "attach", "--replay", "-", "-o", "json")
	replay.Stdin = strings.NewReader(o.stdout)
	got := finish(t, replay)
	if reports := jsonLines(t, got.stdout); got.code != 0 || len(reports) < 2 {
		t.Error(got)
	}
}

// What a killed recorder has written can be shown, and it is said that there is no more.
func TestRecorderIsKilled(t *testing.T) {
	e2eNeedKernel(t)
	if testing.Short() {
		t.Skip("short: it takes as long as a block")
	}
	file := filepath.Join(t.TempDir(), "recording")
	cmd := eco2(t, "record", "--domains", "cpu", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var size int64
	grown := 0
	for end := time.Now().Add(time.Minute); grown < 3; time.Sleep(50 * time.Millisecond) { // the header, and two blocks
		if st, err := os.Stat(file); err == nil && st.Size() > size {
			size = st.Size()
			grown++
		}
		if time.Now().After(end) {
			t.Fatalf("%d bytes after a minute", size)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitCode(t, cmd)
	o := succeed(t, "attach", "--replay", file, "-o", "json")
	if reports := jsonLines(t, o.stdout); len(reports) < 4 || !strings.Contains(o.stderr, "has no end") {
		t.Errorf("%d reports: %v", len(reports), o.stderr)
	}
}

// Beside attach a recording that cannot be written ends alone: what was measured is shown.
func TestAttachOutlivesItsRecording(t *testing.T) {
	e2eNeedKernel(t)
	load := exec.Command("sh", "-c", "while :; do /bin/true; done")
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = load.Process.Kill(); _ = load.Wait() }()
	small := filepath.Join(t.TempDir(), "small")
	limited := eco2(t, "attach", "--record", small, "-o", "json", "-i", "100ms", "-d", "13s")
	limited.Path, limited.Args = "/bin/sh", append([]string{"sh", "-c", `ulimit -f 20; trap '' XFSZ; exec "$@"`, "sh"}, limited.Args...)
	o := finish(t, limited)
	if all := jsonLines(t, o.stdout); o.code != 1 || len(all) < 60 || all[len(all)-1].Kind != "total" || !strings.Contains(o.stderr, "measuring goes on without it") {
		t.Errorf("%d lines: exit code %d: %s", len(all), o.code, o.stderr)
	}
}

// A full disk ends the recording with an error; what is on it is good.
func TestRecordToFullDisk(t *testing.T) {
	e2eNeedKernel(t)
	oneLine(t, finish(t, eco2(t, "record", "-d", "1s", "/dev/full")), 1, "recording", "no space left")

	short := filepath.Join(t.TempDir(), "short")
	succeed(t, "record", "-d", "100ms", short)
	b, err := os.ReadFile(short)
	if err != nil {
		t.Fatal(err)
	}
	header := bytes.Index(b, []byte(`"Threads":false}`)) // the end of what is written first
	if header < 0 {
		t.Fatal("no header")
	}
	disk := t.TempDir()
	room := (header/os.Getpagesize() + 2) * os.Getpagesize()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("size=%d", room)); err != nil {
		t.Skip("a file system of its own cannot be mounted here: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, 0) })
	file := filepath.Join(disk, "recording")
	load := exec.Command("sh", "-c", "while :; do /bin/true; done") // what comes and goes fills it
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = load.Process.Kill(); _ = load.Wait() }()
	began := time.Now()
	o := finish(t, eco2(t, "record", "-d", "40s", file))
	if o.code != 1 || !strings.Contains(o.stderr, "write the recording") || !strings.Contains(o.stderr, "no space left") {
		t.Errorf("after %v: exit code %d: %s", time.Since(began), o.code, o.stderr)
	}
	if o := finish(t, eco2(t, "attach", "--replay", file, "-o", "json")); o.code != 0 || !strings.Contains(o.stderr, "has no end") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}

// Of a damaged recording all before the damage is shown, and the exit code says that it is not all.
func TestReplayOfDamage(t *testing.T) {
	e2eNeedKernel(t)
	file := filepath.Join(t.TempDir(), "recording")
	succeed(t, "record", "-d", "1s", "--domains", "cpu", file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-20] ^= 4 // in the last block
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	o := finish(t, eco2(t, "attach", "--replay", file, "-o", "json"))
	if o.code != 1 || !strings.Contains(o.stderr, "damaged behind byte") || !strings.Contains(o.stdout, `"kind":"total"`) {
		t.Error(o)
	}
	if o := finish(t, eco2(t, "doctor", "--replay", file)); o.code != 1 || !strings.Contains(o.stdout, "BAD  end") {
		t.Error(o)
	}
}

func TestReplayOfNoRecording(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "text": "hello, this is no recording at all", "next": "eco2-rec\x02..", "cut": "eco2-rec\x01\x01"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		oneLine(t, finish(t, eco2(t, "attach", "--replay", path)), 1, "--replay "+path, "not a recording that can be read")
	}
	oneLine(t, finish(t, eco2(t, "attach", "--replay", filepath.Join(dir, "none"))), 1, "no such file")
}
