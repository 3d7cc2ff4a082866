package host

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// gauge is what cpufreq tells of a CPU now: the mean of its last few milliseconds where hardware counts that (cpuinfo_avg_freq, since 6.16, and
// scaling_cur_freq of x86), else what the driver chose.
type gauge struct {
	mean, now gaugeFile
	last      int64 // kHz, at the last read; 0: not known
}

// init opens what there is; false: nothing.
func (g *gauge) init(cpu string) bool {
	g.mean = gaugeFile{path: filepath.Join(cpu, "cpufreq/cpuinfo_avg_freq"), fd: -1}
	g.now = gaugeFile{path: filepath.Join(cpu, "cpufreq/scaling_cur_freq"), fd: -1}
	g.open()
	return g.mean.fd >= 0 || g.now.fd >= 0
}

// open opens what is closed, as of a CPU that was never online before.
func (g *gauge) open() {
	g.mean.open()
	g.now.open()
}

func (g *gauge) close() {
	g.mean.close()
	g.now.close()
}

// read gives the mean of now and the last read; one alone where the other is not known. The exact mean of an idle CPU may not be told.
func (g *gauge) read() (kHz int64, told bool) {
	now, told := g.mean.read()
	if !told {
		now, told = g.now.read()
	}
	was := g.last
	g.last = now
	switch {
	case now == 0:
		return was, told
	case was == 0:
		return now, told
	}
	return (was + now) / 2, told
}

// gaugeFile is a file that stays open: while its CPU is offline it cannot be read, and when that is back it can.
type gaugeFile struct {
	path string
	fd   int  // -1: closed
	gone bool // another driver took over: it is opened again at the next read
	buf  [32]byte
}

func (f *gaugeFile) open() {
	if f.fd >= 0 {
		return
	}
	fd, err := unix.Open(f.path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err == nil {
		f.fd, f.gone = fd, false
	}
}

func (f *gaugeFile) close() {
	if f.fd >= 0 {
		_ = unix.Close(f.fd)
	}
	f.fd = -1
}

func (f *gaugeFile) read() (kHz int64, ok bool) {
	if f.gone {
		f.open()
	}
	if f.fd < 0 {
		return 0, false
	}
	n, err := unix.Pread(f.fd, f.buf[:], 0)
	for err == unix.EINTR {
		n, err = unix.Pread(f.fd, f.buf[:], 0)
	}
	switch err {
	case nil:
	case unix.EAGAIN, unix.EBUSY, unix.EINVAL, unix.EIO: // idle, or offline
		return 0, false
	default: // ENODEV
		f.close()
		f.gone = true
		return 0, false
	}
	return parseKHz(f.buf[:max(0, min(n, len(f.buf)))])
}

// parseKHz takes a line with one frequency; 0 and "<unknown>" are none.
func parseKHz(b []byte) (kHz int64, ok bool) {
	if len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if kHz = kHz*10 + int64(c-'0'); kHz > maxKHz {
			return 0, false
		}
	}
	return kHz, kHz > 0
}
