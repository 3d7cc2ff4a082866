package testdocker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Import makes an image of files: their paths in it, and where each is on the host. All are executable.
func (d *Daemon) Import(image string, files map[string]string) {
	d.t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for inside, from := range files {
		content, err := os.ReadFile(from)
		if err != nil {
			d.t.Fatal(err)
		}
		h := tar.Header{Name: strings.TrimPrefix(inside, "/"), Mode: 0o755, Size: int64(len(content))}
		if err := w.WriteHeader(&h); err != nil {
			d.t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			d.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		d.t.Fatal(err)
	}
	repo, tag, _ := strings.Cut(image, ":")
	d.must("POST", "/images/create?fromSrc=-&repo="+url.QueryEscape(repo)+"&tag="+url.QueryEscape(tag), "application/x-tar", &b)
}

// Spec is a container to run. Command is a program's path in the image, and its arguments.
type Spec struct {
	Image, Name  string
	Command      []string
	Labels       map[string]string
	Env          []string
	AutoRemove   bool   // as docker run --rm
	CgroupParent string // default: the daemon's Parent
}

// Run starts a container without a network and returns its id.
func (d *Daemon) Run(s Spec) string {
	d.t.Helper()
	if s.CgroupParent != "" {
		d.Own(s.CgroupParent)
	}
	host := map[string]any{"NetworkMode": "none", "AutoRemove": s.AutoRemove, "CgroupParent": s.CgroupParent}
	body, err := json.Marshal(map[string]any{"Image": s.Image, "Cmd": s.Command, "Labels": s.Labels, "Env": s.Env, "HostConfig": host})
	if err != nil {
		d.t.Fatal(err)
	}
	var made struct{ ID string }
	reply := d.must("POST", "/containers/create?name="+url.QueryEscape(s.Name), "application/json", bytes.NewReader(body))
	if err := json.Unmarshal(reply, &made); err != nil || made.ID == "" {
		d.t.Fatalf("create %s: %v: %s", s.Name, err, reply)
	}
	d.must("POST", "/containers/"+made.ID+"/start", "", nil)
	return made.ID
}

// Wait waits for a container's end and returns its exit code.
func (d *Daemon) Wait(id string) int {
	d.t.Helper()
	var end struct{ StatusCode int }
	reply := d.must("POST", "/containers/"+id+"/wait", "", nil)
	if err := json.Unmarshal(reply, &end); err != nil {
		d.t.Fatalf("wait: %v: %s", err, reply)
	}
	return end.StatusCode
}

// Pid returns the process id of a running container's first process.
func (d *Daemon) Pid(id string) int {
	d.t.Helper()
	var c struct{ State struct{ Pid int } }
	reply := d.must("GET", "/containers/"+id+"/json", "", nil)
	if err := json.Unmarshal(reply, &c); err != nil || c.State.Pid == 0 {
		d.t.Fatalf("no process: %v: %s", err, reply)
	}
	return c.State.Pid
}

// Logs returns what a container wrote to its standard output and error.
func (d *Daemon) Logs(id string) string {
	d.t.Helper()
	b := d.must("GET", "/containers/"+id+"/logs?stdout=1&stderr=1", "", nil)
	var text strings.Builder
	for len(b) >= 8 { // each part has a header: the stream, and in its last four bytes the length
		n := min(int(b[4])<<24|int(b[5])<<16|int(b[6])<<8|int(b[7]), len(b)-8)
		text.Write(b[8 : 8+n])
		b = b[8+n:]
	}
	return text.String()
}

// Exists says whether the daemon knows the container.
func (d *Daemon) Exists(id string) bool {
	_, err := d.call("GET", "/containers/"+id+"/json", "", nil)
	return err == nil
}

// Cgroups returns the names of the containers' cgroups in Parent: their ids.
func (d *Daemon) Cgroups() (ids []string) {
	for _, mount := range hierarchies() {
		dirs, _ := filepath.Glob(mount + d.Parent + "/*/cgroup.procs")
		for _, dir := range dirs {
			ids = append(ids, filepath.Base(filepath.Dir(dir)))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Remove ends a container at once and removes it.
func (d *Daemon) Remove(id string) {
	d.t.Helper()
	d.must("DELETE", "/containers/"+id+"?force=1", "", nil)
}

func (d *Daemon) must(method, path, kind string, body io.Reader) []byte {
	d.t.Helper()
	b, err := d.call(method, path, kind, body)
	if err != nil {
		d.t.Fatalf("%v\n%s", err, d.log())
	}
	return b
}

// call makes one request. Statuses from 300 on are errors.
func (d *Daemon) call(method, path, kind string, body io.Reader) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", kind)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", d.Socket)
	}
	reply, err := (&http.Transport{DialContext: dial, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer reply.Body.Close()
	b, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", reply.Status, b)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return b, nil
}
