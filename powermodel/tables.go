package powermodel

import (
	"embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed data
var files embed.FS

// powerRow is one microarchitecture of microarch_power.csv, watts per hardware thread at the wall.
type powerRow struct {
	key, vendor, example string
	results              int
	idle, max            [3]float64 // quartiles p25, p50, p75
	threadsPerCore       float64
	memoryGB             float64 // in those servers, per thread
	maxToTDP             float64 // full load per watt of TDP; 0: no TDP is listed for its parts
	idleSocket           float64 // idle, per socket, median of its CPUs; 0: none is listed
	from, to             int     // years of publication
}

// idRow maps an x86 signature or an Arm MIDR to a microarchitecture.
type idRow struct {
	vendor              string
	implementer         int // Arm: vendor column is 0x41
	family              int
	model, stepping     span // Arm: model is the part
	microarch, powerKey string
}

// span is a closed range; an empty column means any.
type span struct{ from, to int }

func (s span) has(v int) bool { return s.from <= v && v <= s.to }

type cpuRow struct { // cpu_spec_power.csv, watts per socket
	name, shown, microarch string
	results                int
	cores, threads         float64
	memoryGB               float64 // per socket; 0: not known
	idle, max              float64
}

type cloudRow struct {
	fragment, microarch, powerKey string
	cores                         float64 // per socket; 0: not known
}

type constant struct{ value, low, high float64 }

type tableSet struct {
	power     map[string]powerRow
	ids       []idRow
	cpus      map[string]cpuRow
	clouds    []cloudRow
	curves    map[string]Curve
	constants map[string]constant
	instances map[string]idRow // by cloud instance type, or by its family
	disks     map[string]diskRow
	tdp       string // "\nname,watts\n..."; names are normal, searched in place, since one look-up does not pay for a map of 4,885
}

// tables parses the embedded files once. They are part of the program and every row is checked by a test, so a bad row is a panic.
var tables = sync.OnceValue(func() *tableSet {
	t := &tableSet{
		power: map[string]powerRow{}, cpus: map[string]cpuRow{}, curves: map[string]Curve{}, constants: map[string]constant{},
		instances: map[string]idRow{}, disks: map[string]diskRow{},
	}
	for _, r := range rows("microarch_power.csv") {
		t.power[r["microarch"]] = powerRow{
			key: r["microarch"], vendor: r["vendor"], example: r["example"], results: int(r.num("n")),
			idle:           [3]float64{r.num("idle_w_thread_p25"), r.num("idle_w_thread_p50"), r.num("idle_w_thread_p75")},
			max:            [3]float64{r.num("max_w_thread_p25"), r.num("max_w_thread_p50"), r.num("max_w_thread_p75")},
			threadsPerCore: r.num("threads_per_core"), memoryGB: r.num("ram_gb_per_thread"), maxToTDP: r.optional("max_to_tdp"),
			idleSocket: r.optional("idle_w_socket"), from: int(r.num("pub_from")), to: int(r.num("pub_to")),
		}
	}
	for _, r := range rows("cpuid_microarch.csv") {
		id := idRow{
			vendor: r["vendor_or_implementer"], model: r.span("model_or_part"), stepping: r.span("stepping"),
			microarch: r["microarch"], powerKey: r["power_key"],
		}
		if strings.HasPrefix(id.vendor, "0x") {
			id.implementer = int(r.num("vendor_or_implementer"))
		} else {
			id.family = int(r.num("family"))
		}
		t.ids = append(t.ids, id)
	}
	for _, r := range rows("cpu_spec_power.csv") {
		c := cpuRow{
			name: normalName(r["cpu"]), shown: r["cpu"], microarch: r["microarch"], results: int(r.num("n")),
			cores: r.num("cores_per_chip"), threads: r.num("threads_per_chip"), memoryGB: r.optional("ram_gb_per_chip"),
			idle: r.num("idle_w_per_chip"), max: r.num("max_w_per_chip"),
		}
		if c.results > t.cpus[c.name].results { // two spellings of one name: the one with more results
			t.cpus[c.name] = c
		}
	}
	for _, r := range rows("cloud_cpu.csv") {
		t.clouds = append(t.clouds, cloudRow{normalName(r["name_contains"]), r["microarch"], r["power_key"], r.optional("cores_per_socket")})
	}
	for _, r := range rows("utilisation_curve.csv") {
		var c Curve
		for i := range c {
			c[i] = r.num("u" + strconv.Itoa(10*i))
		}
		t.curves[r["key"]] = c
	}
	for _, r := range rows("constants.csv") {
		c := constant{value: r.num("value")}
		if r["low"] != "" {
			c.low, c.high = r.num("low"), r.num("high")
		}
		t.constants[r["name"]] = c
	}
	for _, r := range rows("instance_platform.csv") {
		t.instances[r["instance"]] = idRow{microarch: r["microarch"], powerKey: r["power_key"]}
	}
	for _, r := range rows("storage.csv") {
		t.disks[r["kind"]] = diskRow{
			idle:   constant{r.num("idle_w"), r.num("idle_w_low"), r.num("idle_w_high")},
			active: constant{r.num("active_w"), r.num("active_w_low"), r.num("active_w_high")},
			perTB:  r["per"] == "TB",
		}
	}
	text, err := files.ReadFile("data/cpu_tdp.csv")
	if err != nil {
		panic(err)
	}
	t.tdp = "\n" + string(text)
	return t
})

// tdpOf finds a CPU's thermal design power by its normal name, with or without the maker's name.
func (t *tableSet) tdpOf(name string) (watts float64, ok bool) {
	_, bare, _ := strings.Cut(name, " ")
	for _, n := range []string{name, bare} {
		if n == "" || strings.ContainsAny(n, "\n,") || !strings.ContainsAny(n, "0123456789") {
			continue
		}
		_, rest, found := strings.Cut(t.tdp, "\n"+n+",")
		if !found {
			continue
		}
		value, _, _ := strings.Cut(rest, "\n")
		if w, err := strconv.ParseFloat(value, 64); err == nil && w > 0 {
			return w, true
		}
	}
	return 0, false
}

type row map[string]string

func rows(name string) []row {
	f, err := files.Open("data/" + name)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	out := make([]row, 0, len(all)-1)
	for _, record := range all[1:] {
		r := row{}
		for i, column := range all[0] {
			r[column] = record[i]
		}
		out = append(out, r)
	}
	return out
}

func (r row) num(column string) float64 {
	if strings.HasPrefix(r[column], "0x") {
		v, err := strconv.ParseInt(r[column], 0, 32)
		if err != nil {
			panic(err)
		}
		return float64(v)
	}
	v, err := strconv.ParseFloat(r[column], 64)
	if err != nil {
		panic(fmt.Sprintf("column %s of %v: %v", column, r, err))
	}
	return v
}

// optional gives 0 for an empty column.
func (r row) optional(column string) float64 {
	if r[column] == "" {
		return 0
	}
	return r.num(column)
}

func (r row) span(column string) span {
	s := r[column]
	if s == "" {
		return span{0, maxField}
	}
	from, to, ranged := strings.Cut(s, "-")
	if !ranged {
		v := int(r.num(column))
		return span{v, v}
	}
	a, errA := strconv.Atoi(from)
	b, errB := strconv.Atoi(to)
	if errA != nil || errB != nil {
		panic(fmt.Sprintf("column %s of %v", column, r))
	}
	return span{a, b}
}
