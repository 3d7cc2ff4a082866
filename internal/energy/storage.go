package energy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// DiskModel is the power of one disk: Idle always, and Busy on top while it works.
type DiskModel struct {
	Idle, Busy Bounds
	Detail     string // one line for people
}

// Disk is one that the kernel lists.
type Disk struct {
	Name       string // as in diskstats
	Bytes      int64
	Rotational bool
	Remote     string // over what it is reached, if it is not in this machine: "iSCSI"
}

// storage integrates a model over how long each disk was busy, by PROCFS/diskstats. Like memory it moves on only at edges where it is
// known who moved how many bytes.
type storage struct {
	domains []Domain
	stats   *os.File
	buf     []byte
	sysfs   string
	model   func(Disk) DiskModel
	disks   map[string]*disk
	have    bool
	at      time.Duration
	sum     sums
	idle    sums
	written uint64
}

type disk struct {
	model   DiskModel
	counted bool // it is a disk, and not made of others or of memory
	listed  bool
	have    bool
	busy    time.Duration // so far, by the kernel's count
	written uint64        // bytes so far
}

// maxDetails is how many disks a line for people has.
const maxDetails = 4

// maxStats bounds what is read of diskstats: a line has some 100 bytes.
const maxStats = 4 << 20

// OpenStorage estimates the disks of the machine as one domain; model gives each one's power, also of those that come later. disks are
// those that are there now.
func OpenStorage(procfs, sysfs string, model func(Disk) DiskModel) (_ Source, disks []Disk, _ error) {
	f, err := os.Open(filepath.Join(procfs, "diskstats"))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w: %w", err, ErrAbsent)
		}
		return nil, nil, fmt.Errorf("read how busy disks are: %w", err)
	}
	s := &storage{stats: f, buf: make([]byte, 16<<10), sysfs: sysfs, disks: map[string]*disk{}, domains: []Domain{{
		Name: "estimate:storage", Socket: -1, Die: -1, Method: Estimated, Source: sourceEstimate, Scope: ScopeStorage, OwnIdle: true,
	}}}
	var details []string
	s.model = func(d Disk) DiskModel {
		disks = append(disks, d)
		m := model(d)
		if d.Remote != "" {
			m.Detail += " (not in this machine: by " + d.Remote + ")"
		}
		details = append(details, m.Detail)
		return m
	}
	if mark := s.read(0); mark != "" {
		return nil, nil, errors.Join(errors.New(mark), f.Close())
	}
	s.model = model
	if len(disks) == 0 {
		return nil, nil, errors.Join(fmt.Errorf("no disk in %s: %w", f.Name(), ErrAbsent), f.Close())
	}
	s.domains[0].Detail = fmt.Sprintf("busy time by %s; %s", f.Name(), strings.Join(details[:min(len(details), maxDetails)], "; "))
	if more := len(details) - maxDetails; more > 0 {
		s.domains[0].Detail += fmt.Sprintf("; and %d more", more)
	}
	return s, disks, nil
}

func (s *storage) Domains() []Domain { return s.domains }

func (s *storage) Close() error { return s.stats.Close() }

func (s *storage) Read(edge Edge, into []Sample) {
	if len(into) == 0 {
		return
	}
	var span time.Duration
	mark := ""
	switch {
	case s.have && !edge.Look:
	case s.have && edge.Time < s.at:
		mark = "time went backwards: new baseline"
		s.have, s.at = true, edge.Time
		_ = s.read(0)
	default:
		if s.have {
			span = edge.Time - s.at
		}
		s.have, s.at = true, edge.Time
		mark = s.read(span)
	}
	out := Sample{At: edge.Time, Span: span, Mark: mark, Written: s.written}
	out.Energy, out.Low, out.High = s.sum.bounds()
	out.Idle, out.IdleLow, out.IdleHigh = s.idle.bounds()
	into[0] = out
}

// read adds what the disks used in dt. Of 0 it takes the baseline.
func (s *storage) read(dt time.Duration) (mark string) {
	text, err := s.readAll()
	if err != nil {
		return fmt.Sprintf("read how busy disks are: %v", err)
	}
	for _, d := range s.disks {
		d.listed = false
	}
	for line := range bytes.Lines(text) {
		name, st, ok := parseDiskstat(line)
		if !ok {
			mark = "a line of diskstats makes no sense: its disk is not counted"
			continue
		}
		d := s.disks[string(name)]
		if d == nil {
			d = s.add(string(name))
		}
		d.listed = true
		if !d.counted {
			continue
		}
		s.book(d, st, dt)
	}
	for name, d := range s.disks {
		if !d.listed { // it is gone; one of that name may come
			delete(s.disks, name)
		}
	}
	return mark
}

func (s *storage) book(d *disk, st diskstat, dt time.Duration) {
	if d.have && dt > 0 {
		used := min(max(0, st.busy-d.busy), dt) // a count that wraps (32 bits of milliseconds) or is late by a tick
		power := d.model.Idle.plus(d.model.Busy.times(float64(used) / float64(dt)))
		if power.usable() && d.model.Idle.usable() {
			s.sum.add(power, dt)
			s.idle.add(d.model.Idle, dt)
		}
		if st.written > d.written {
			s.written += st.written - d.written
		}
	}
	d.have, d.busy, d.written = true, st.busy, st.written
}

// sectorBytes is the unit of diskstats and of size, whatever the disk's own is.
const sectorBytes = 512

func (s *storage) readAll() ([]byte, error) {
	for n := 0; ; {
		m, err := s.stats.ReadAt(s.buf[n:], int64(n))
		n += m
		switch {
		case m == 0:
			if err != nil && n == 0 {
				return nil, err
			}
			return s.buf[:n], nil
		case n == len(s.buf) && n >= maxStats:
			return nil, fmt.Errorf("%s: over %d bytes", s.stats.Name(), maxStats)
		case n == len(s.buf):
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
	}
}

// diskstat is what is read of a line.
type diskstat struct {
	busy    time.Duration // that the disk had something to do
	written uint64        // bytes
}

// parseDiskstat takes the fields of Documentation/admin-guide/iostats.rst: 3 is the name, 10 sectors written, 13 milliseconds busy.
func parseDiskstat(line []byte) (name []byte, st diskstat, ok bool) {
	var sectors, ms uint64
	field := 0
	for field < 13 {
		line = bytes.TrimLeft(line, " \t")
		end := bytes.IndexAny(line, " \t\n")
		if end < 0 {
			end = len(line)
		}
		if end == 0 {
			return nil, st, false
		}
		switch field++; field {
		case 3:
			name = line[:end]
		case 10:
			sectors, ok = parseCount(line[:end], 1<<54)
		case 13:
			ms, ok = parseCount(line[:end], 1<<42) // 139 years
		default:
			ok = true
		}
		if !ok {
			return nil, st, false
		}
		line = line[end:]
	}
	return name, diskstat{busy: time.Duration(ms) * time.Millisecond, written: sectors * sectorBytes}, true
}

// parseCount takes a number of at most that much, at most 2^59.
func parseCount(b []byte, most uint64) (v uint64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if v = v*10 + uint64(c-'0'); v > most {
			return 0, false
		}
	}
	return v, len(b) > 0
}
