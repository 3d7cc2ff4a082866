package container

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve runs an API on a socket in a directory with a short path, and returns the socket's path.
func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "eco2-api-")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		os.RemoveAll(dir)
	})
	return socket
}

// reply is what the API says of a container: with %s for its id.
const reply = `{"Id":"%s","Name":"/web","Image":"sha256:1","State":{"Pid":1},"Config":{"Image":"nginx:1","Labels":%s}}`

func TestAPI(t *testing.T) {
	var asked atomic.Value
	socket := serve(t, func(w http.ResponseWriter, q *http.Request) {
		asked.Store(q.Method + " " + q.URL.Path)
		fmt.Fprintf(w, reply, id("a"), `{"team":"blue","io.kubernetes.pod.name":"p","io.kubernetes.pod.namespace":"n","io.kubernetes.pod.uid":"`+
			podUID+`","io.kubernetes.container.name":"c"}`)
	})
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	r := newResolver(t, Options{Root: t.TempDir(), Sockets: []string{socket}})
	in, ok := ask(t, r, Key{"docker", id("a"), ""})
	if !ok || in.Name != "web" || in.Image != "nginx:1" || in.Labels["team"] != "blue" || in.Source != "API "+socket {
		t.Errorf("got %+v, %v", in, ok)
	}
	if in.Pod != "" {
		t.Errorf("a label made it a pod: %+v", in)
	}
	if got := asked.Load(); got != "GET /containers/"+id("a")+"/json" {
		t.Errorf("it asked %q", got)
	}
	if in, _ := ask(t, r, Key{"", id("a"), podUID}); in.Pod != "p" || in.Namespace != "n" || in.PodContainer != "c" {
		t.Errorf("of a pod: %+v", in)
	}
	if in, _ := ask(t, r, Key{"podman", id("a"), crioUID}); in.Pod != "" || in.Name != "web" {
		t.Errorf("of another pod: %+v", in)
	}
}

// A bad reply names nothing, is said in fixed words, and does not keep the socket from being asked for another container.
func TestAPIBadReplies(t *testing.T) {
	large := fmt.Sprintf(reply, id("b"), `{"a":"`+strings.Repeat("x", bodyMax)+`"}`)
	for _, c := range []struct {
		what, body string
		status     int
		problem    string
	}{
		{"HTML", "<html>not here</html>", 200, "not of the form that was expected"},
		{"nothing", "", 200, "not of the form that was expected"},
		{"cut", fmt.Sprintf(reply, id("b"), "{}")[:50], 200, "not of the form that was expected"},
		{"a number for a name", `{"Id":"` + id("b") + `","Name":7}`, 200, "not of the form that was expected"},
		{"a list for the labels", fmt.Sprintf(reply, id("b"), `["a"]`), 200, "not of the form that was expected"},
		{"another's id", fmt.Sprintf(reply, id("c"), "{}"), 200, "not of the form that was expected"},
		{"an array", "[]", 200, "not of the form that was expected"},
		{"deep", strings.Repeat("[", 20000), 200, "not of the form that was expected"},
		{"large", large, 200, "longer than 1 MiB"},
		{"a fault", "x", 500, "answered with an error"},
		{"elsewhere", "x", 307, "answered with an error"},
		{"not known", `{"message":"No such container"}`, 404, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			socket := serve(t, func(w http.ResponseWriter, q *http.Request) {
				if strings.Contains(q.URL.Path, id("a")) {
					fmt.Fprintf(w, reply, id("a"), "null")
					return
				}
				w.Header().Set("Location", "http://127.0.0.1:1/containers/"+id("a")+"/json")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			r := newResolver(t, Options{Root: t.TempDir(), Sockets: []string{socket}})
			if in, ok := ask(t, r, Key{"docker", id("b"), ""}); ok {
				t.Errorf("got %+v", in)
			}
			want := "API " + socket + ": " + c.problem
			if p := r.Problems(); c.problem == "" && len(p) > 0 || c.problem != "" && (len(p) != 1 || p[0] != want) {
				t.Errorf("problems %q, want %q", p, want)
			}
			if in, _ := ask(t, r, Key{"docker", id("a"), ""}); in.Name != "web" || in.Labels != nil {
				t.Errorf("the next one: %+v", in)
			}
		})
	}
}

func TestAPIHostileNames(t *testing.T) {
	var labels strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&labels, `"k%03d":"%s",`, i, strings.Repeat("v", 50))
	}
	socket := serve(t, func(w http.ResponseWriter, q *http.Request) {
		fmt.Fprintf(w, `{"Id":"%s","Name":"/\u001b[2J%s","Config":{"Image":"%s","Labels":{%s"0":"%s"}}}`, id("a"), strings.Repeat("é", 300),
			strings.Repeat("i", 600), labels.String(), strings.Repeat("w", 5000))
	})
	r := newResolver(t, Options{Root: t.TempDir(), Sockets: []string{socket}})
	in, ok := ask(t, r, Key{"docker", id("a"), ""})
	checkInfo(t, Key{}, in, nil)
	if !ok || !strings.HasPrefix(in.Name, "\x1b[2Jé") || !strings.HasSuffix(in.Name, "é") || len(in.Labels) != labelsMax || in.Labels["0"] != "" {
		t.Errorf("got %q, %d labels", in.Name, len(in.Labels))
	}
}

// A socket that is dead or does not answer is left alone for a while.
func TestAPIBacksOff(t *testing.T) {
	var asked atomic.Int32
	hang := make(chan struct{})
	defer close(hang)
	silent := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1); <-hang })
	dead := filepath.Join(t.TempDir(), "dead")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	r := newResolver(t, Options{Root: fixture(t), Sockets: []string{silent, dead}})
	begin := time.Now()
	for _, digit := range []string{"2", "3", "4", "5"} {
		ask(t, r, Key{"docker", id(digit), ""})
	}
	if took := time.Since(begin); took > 2*requestLimit || asked.Load() > 2 {
		t.Errorf("4 look-ups took %v and %d requests", took, asked.Load())
	}
	if in, _ := r.Get(Key{"docker", id("2"), ""}); in.Name != "front" || in.Source != "docker /var/lib/docker/containers" {
		t.Errorf("not from the files: %+v", in)
	}
	want := []string{"API " + silent + ": no answer within 1s", "API " + dead + ": connection refused"}
	if got := r.Problems(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("problems %q, want %q", got, want)
	}
}

// Close does not wait for a reply.
func TestCloseEndsARequest(t *testing.T) {
	hang, asked := make(chan struct{}), make(chan struct{}, 1)
	defer close(hang)
	socket := serve(t, func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-hang })
	r := New(Options{Root: t.TempDir(), Sockets: []string{socket}})
	r.Ask(Key{"docker", id("a"), ""})
	<-asked
	begin := time.Now()
	r.Close()
	if took := time.Since(begin); took > requestLimit/2 {
		t.Errorf("it took %v", took)
	}
	if p := r.Problems(); len(p) > 0 {
		t.Errorf("problems %q", p)
	}
}

func FuzzDockerReply(f *testing.F) {
	f.Add(200, []byte(fmt.Sprintf(reply, id("a"), `{"a":"b"}`)))
	f.Add(200, []byte(`{"Id":"x","ID":"`+id("a")+`","Config":{"Labels":{"io.kubernetes.pod.name":"../..","io.kubernetes.pod.uid":"`+podUID+`"}}}`))
	f.Add(404, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, b []byte) {
		for _, k := range []Key{{"docker", id("a"), ""}, {"docker", id("a"), podUID}} {
			in, err := dockerReply(k, status, b)
			if err == nil && status != 200 {
				t.Fatalf("status %d: %+v", status, in)
			}
			checkInfo(t, k, in, err)
		}
	})
}
