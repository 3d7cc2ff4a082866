package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	requestLimit = time.Second
	backoffMin   = time.Second
	backoffMax   = time.Minute
)

var (
	errLater  = errors.New("left alone for a while")
	errStatus = errors.New("answered with an error")
	errRemote = errors.New("no unix socket; not asked")
)

// api is a socket with Docker's Engine API. Podman has the same one. The worker alone uses it.
type api struct {
	name   string
	client http.Client
	wait   time.Duration // of the last back-off; 0: the socket is well
	until  time.Time
}

func newAPI(name, socket string) *api {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	a := &api{name: name}
	a.client = http.Client{
		Timeout:       requestLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dial,
			Proxy:                  nil, // none for a socket of this machine, whatever the environment says
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 1 << 16,
		},
	}
	return a
}

func (a *api) source() source { return source{a.name, "", a.find} }

// find asks for one container. A socket that does not answer is left alone for a while, longer each time; one that answers badly is not:
// the answer may be bad for that container only, by what its tenant wrote into it.
func (a *api) find(ctx context.Context, k Key) (Info, error) {
	if !hexID(k.ID) {
		return Info{}, errUnknown
	}
	if time.Now().Before(a.until) {
		return Info{}, errLater
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/containers/"+k.ID+"/json", nil)
	if err != nil {
		return Info{}, err
	}
	reply, err := a.client.Do(req)
	if err == nil {
		defer reply.Body.Close()
		var b []byte
		if b, err = readAll(reply.Body, bodyMax); err == nil || errors.Is(err, errLong) {
			a.wait = 0
		}
		if err == nil {
			return dockerReply(k, reply.StatusCode, b)
		}
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errLong) {
		a.wait = min(max(2*a.wait, backoffMin), backoffMax)
		a.until = time.Now().Add(a.wait)
	}
	return Info{}, err
}

func dockerReply(k Key, status int, body []byte) (Info, error) {
	switch status {
	case http.StatusOK:
		return dockerContainer(k, body)
	case http.StatusNotFound:
		return Info{}, errUnknown
	}
	return Info{}, fmt.Errorf("status %d: %w", status, errStatus)
}

// dockerKeys are the labels that the kubelet gives by cri-dockerd, and CRI-O's annotations: kubelet's pkg/types/labels.go.
var dockerKeys = podKeys{"io.kubernetes.pod.name", "io.kubernetes.pod.namespace", "io.kubernetes.pod.uid", "io.kubernetes.container.name"}

// dockerContainer reads what GET /containers/ID/json returns. Docker's own config.v2.json has the same fields, but for the case of "ID".
func dockerContainer(k Key, body []byte) (Info, error) {
	var c struct {
		ID, Name string
		Config   struct {
			Image  string
			Labels map[string]string
		}
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return Info{}, fmt.Errorf("container: %w: %w", errForm, err)
	}
	if c.ID != k.ID {
		return Info{}, fmt.Errorf("container: another one's id: %w", errForm)
	}
	info := Info{Name: strings.TrimPrefix(c.Name, "/"), Image: c.Config.Image, Labels: c.Config.Labels}
	info.setPod(k, c.Config.Labels, dockerKeys)
	return info, nil
}

// dockerFiles is Docker's own record of its containers.
func dockerFiles(t tree) source {
	const dir = "/var/lib/docker/containers"
	return source{"docker " + dir, dir, func(_ context.Context, k Key) (Info, error) {
		if !hexID(k.ID) {
			return Info{}, errUnknown
		}
		b, err := t.read(dir+"/"+k.ID+"/config.v2.json", bodyMax)
		if err != nil {
			return Info{}, err
		}
		return dockerContainer(k, b)
	}}
}
