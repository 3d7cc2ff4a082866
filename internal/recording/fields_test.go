package recording

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/identity/container"
)

// filler gives every exported field a value of its own that is not zero, however deep, so that one which is forgotten shows.
type filler struct {
	n   int
	len map[string]int // of slices, by the field's name; else 2
}

func (f *filler) fill(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	f.n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(f.n))
	case reflect.Float64:
		v.SetFloat(1 + float64(f.n)/1024)
	case reflect.String:
		v.SetString(fmt.Sprint(name, f.n))
	case reflect.Array:
		for i := range v.Len() {
			f.fill(t, v.Index(i), name)
		}
	case reflect.Slice:
		n := max(f.len[name], 2)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.fill(t, v.Index(i), name)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(t, key, name)
			f.fill(t, value, name)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_700_000_000+int64(f.n), 789)))
			return
		}
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				f.fill(t, v.Field(i), field.Name)
			}
		}
	default:
		t.Fatalf("%s is a %v: say here how to fill it", name, v.Kind())
	}
}

// filledHeader is a header of which every field is set, and that makes sense.
func filledHeader(t *testing.T) *Header {
	t.Helper()
	var h Header
	f := filler{}
	f.fill(t, reflect.ValueOf(&h).Elem(), "header")
	h.CPUs = 4
	h.Host.CPUs, h.Host.Sockets = 4, 2
	h.Topology[0].Sibling, h.Topology[1].Sibling = 2, 1
	return &h
}

// A field that is added to what a recording holds, and that the codec does not know, makes this fail.
func TestEveryFieldOfTheHeaderIsKept(t *testing.T) {
	h := filledHeader(t)
	var file bytes.Buffer
	if _, err := newWriter(&file, h); err != nil {
		t.Fatal(err)
	}
	r, err := Open(&file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r.Header(), h) {
		t.Errorf("got  %+v\nwant %+v", r.Header(), h)
	}
}

// filledEdge is an edge of which every field is set, with counts above those of the one before.
func (f *filler) filledEdge(t *testing.T) *engine.Edge {
	t.Helper()
	var e engine.Edge
	f.fill(t, reflect.ValueOf(&e).Elem(), "edge")
	for i := range e.Usages {
		e.Usages[i].CPU %= 4
		e.Usages[i].Beside -= 2 // of Time, which is one less than it was
	}
	for i := range e.Tasks {
		u := &e.Tasks[i].Usage
		u.CPU, u.Time, u.Switches, u.Beside, u.Counted, u.Resident = 0, 0, 0, 0, 0, 0 // as they are there
	}
	for i := range e.Shares {
		e.Shares[i].Domain %= 2
	}
	return &e
}

func TestEveryFieldOfAnEdgeIsKept(t *testing.T) {
	h := filledHeader(t)
	var file bytes.Buffer
	w, err := newWriter(&file, h)
	if err != nil {
		t.Fatal(err)
	}
	f := filler{len: map[string]int{"Overflow": h.CPUs, "Busy": h.CPUs, "Interrupts": h.CPUs, "KHz": h.CPUs, "Samples": len(h.Domains), "Usages": 3}}
	var want []*engine.Edge
	for range 3 {
		e := f.filledEdge(t)
		want = append(want, e)
		if err := w.edge(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.s.finish(3); err != nil {
		t.Fatal(err)
	}
	r, err := Open(&file)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		var got engine.Edge
		if err := r.Next(&got); err != nil {
			t.Fatal(i, err, r.Cut())
		}
		if !reflect.DeepEqual(&got, w) {
			t.Errorf("edge %d:\ngot  %+v\nwant %+v", i, &got, w)
		}
	}
}

func TestEveryFieldOfIdentityIsKept(t *testing.T) {
	var file bytes.Buffer
	h := filledHeader(t)
	w, err := newWriter(&file, h)
	if err != nil {
		t.Fatal(err)
	}
	var (
		f      filler
		told   identity.Told
		key    container.Key
		in     container.Info
		parent identity.Told
	)
	f.fill(t, reflect.ValueOf(&parent).Elem(), "parent")
	f.fill(t, reflect.ValueOf(&told).Elem(), "told")
	f.fill(t, reflect.ValueOf(&key).Elem(), "key")
	f.fill(t, reflect.ValueOf(&in).Elem(), "info")
	parent.Parent, told.Parent = identity.ProcessKey{}, parent.Key
	told.ArgsSize += 1000
	for _, err := range []error{w.process(&parent), w.process(&told), w.exit(told.Key, exitNow), w.cgroup(77, "/a/b"), w.container(key, &in), w.s.finish(0)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open(&file)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Next(&engine.Edge{}); err == nil || r.Cut() != "" {
		t.Fatal(err, r.Cut())
	}
	var got identity.Told
	r.processes.Lineage(told.Key, func(t identity.Told) bool { got = t; return false })
	if got != told {
		t.Errorf("got  %+v\nwant %+v", got, told)
	}
	if got, _ := r.names.Get(key); !reflect.DeepEqual(got, in) {
		t.Errorf("got  %+v\nwant %+v", got, in)
	}
	if got := r.cgroups.Of(77).Path; got != "/a/b" {
		t.Error(got)
	}
}
