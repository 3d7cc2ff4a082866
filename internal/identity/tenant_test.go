package identity

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// tenantRow is a line of testdata/cgroup_paths.tsv.
type tenantRow struct {
	line int
	path string
	want Tenant
}

func readTenantRows(tb testing.TB) []tenantRow {
	tb.Helper()
	f, err := os.Open("testdata/cgroup_paths.tsv")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var rows []tenantRow
	in := bufio.NewScanner(f)
	for line := 1; in.Scan(); line++ {
		if in.Text() == "" || in.Text()[0] == '#' {
			continue
		}
		path, fields, _ := strings.Cut(in.Text(), "\t")
		if path[0] == '"' {
			if path, err = strconv.Unquote(path); err != nil {
				tb.Fatalf("line %d: %v", line, err)
			}
		}
		row := tenantRow{line, path, Tenant{Owner: -1}}
		for field := range strings.FieldsSeq(fields) {
			setTenantField(tb, line, &row.want, field)
		}
		rows = append(rows, row)
	}
	if err := in.Err(); err != nil {
		tb.Fatal(err)
	}
	return rows
}

func setTenantField(tb testing.TB, line int, t *Tenant, field string) {
	tb.Helper()
	name, value, _ := strings.Cut(field, "=")
	text := map[string]*string{
		"runtime": &t.Runtime, "container": &t.Container, "pod": &t.PodUID, "qos": &t.QoS, "unit": &t.Unit, "slice": &t.Slice,
		"session": &t.Session, "job": &t.Job, "step": &t.Step,
	}
	var err error
	switch {
	case text[name] != nil:
		*text[name] = value
	case name == "user":
		t.UserUnit, err = strconv.ParseBool(value)
	case name == "owner":
		t.Owner, err = strconv.ParseInt(value, 10, 64)
	default:
		tb.Fatalf("line %d: no field %q", line, name)
	}
	if err != nil {
		tb.Fatalf("line %d: %v", line, err)
	}
}

func TestParseTenant(t *testing.T) {
	rows := readTenantRows(t)
	if len(rows) < 80 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		if got := ParseTenant(row.path); got != row.want {
			t.Errorf("line %d: %q\n got %+v\nwant %+v", row.line, row.path, got, row.want)
		}
	}
}

// A path that is cut tells what comes before the cut, and no name that the cut makes.
func TestParseTenantLong(t *testing.T) {
	const id = "b43d92bf1e5c6f78bb9b7bc6f40721280299855ba692092716e3a1b6c0b86f3f"
	docker := Tenant{Runtime: "docker", Container: id, Owner: -1}
	fill := func(n int) string { return strings.Repeat("/d", n/2) }
	for _, tt := range []struct {
		name, path string
		want       Tenant
	}{
		{"deep", "/docker/" + id + fill(1<<20), docker},
		{"beyond", "/docker/" + id + fill(tenantPathMax) + "/docker/" + strings.Repeat("0", 64), docker},
		{"one name", strings.Repeat("x", 1<<20), Tenant{Owner: -1}},
		{"cut name", fill(tenantPathMax-len("/docker/")-len(id)) + "/docker/" + id + "0", Tenant{Owner: -1}},
		{"last name", fill(tenantPathMax-len("/docker/")-len(id)) + "/docker/" + id, docker},
		{"longest unit", "/" + strings.Repeat("x", 247) + ".service", Tenant{Unit: strings.Repeat("x", 247) + ".service", Owner: -1}},
		{"longest container", "/lxc/" + strings.Repeat("x", 255), Tenant{Runtime: "lxc", Container: strings.Repeat("x", 255), Owner: -1}},
		{"long container", "/lxc/" + strings.Repeat("x", 256), Tenant{Owner: -1}},
		{"long unit", "/system.slice/" + strings.Repeat("x", 248) + ".service", Tenant{Slice: "system.slice", Owner: -1}},
	} {
		if got := ParseTenant(tt.path); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func BenchmarkParseTenant(b *testing.B) {
	rows := readTenantRows(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ParseTenant(rows[i%len(rows)].path)
	}
}
