package container

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// criKeys are containerd's, by its CRI plugin: internal/cri/annotations/annotations.go.
var criKeys = podKeys{"io.kubernetes.cri.sandbox-name", "io.kubernetes.cri.sandbox-namespace", "io.kubernetes.cri.sandbox-uid",
	"io.kubernetes.cri.container-name"}

// bundleConfig reads a container's OCI configuration, config.json of its bundle: of that, the annotations. CRI-O writes the kubelet's
// labels among them, and once more as JSON in one of its own; nerdctl its own labels.
func bundleConfig(k Key, body []byte) (Info, error) {
	var c struct{ Annotations map[string]string }
	if err := json.Unmarshal(body, &c); err != nil {
		return Info{}, fmt.Errorf("bundle: %w: %w", errForm, err)
	}
	a := c.Annotations
	info := Info{
		Name: cmp.Or(a["nerdctl/name"], a["io.kubernetes.cri-o.Name"]),
		Image: cmp.Or(a["io.kubernetes.cri.image-name"], a["io.kubernetes.cri.podsandbox.image-name"], a["io.kubernetes.cri-o.ImageName"],
			a["io.kubernetes.cri-o.SomeNameOfTheImage"], a["io.kubernetes.cri-o.UserRequestedImage"], a["io.kubernetes.cri-o.Image"]),
	}
	if labels, ok := a["io.kubernetes.cri-o.Labels"]; ok {
		// Without these it is as good a container.
		_ = json.Unmarshal([]byte(labels), &info.Labels)
	} else {
		info.Labels = a
	}
	info.setPod(k, a, dockerKeys)
	if info.Pod == "" {
		info.setPod(k, a, criKeys)
		if info.Pod != "" && a["io.kubernetes.cri.container-type"] == "sandbox" {
			info.PodContainer = sandboxName
		}
	}
	return info, nil
}

// containerdDirs are containerd's state directories: its own, and that of K3s and RKE2.
var containerdDirs = []string{"/run/containerd", "/run/k3s/containerd"}

// namespacesMax bounds how many of containerd's namespaces are looked at.
const namespacesMax = 64

// containerdBundles are the bundles of running tasks.
func containerdBundles(t tree) (list []source) {
	for _, state := range containerdDirs {
		dir := state + "/io.containerd.runtime.v2.task"
		list = append(list, source{"containerd " + dir, dir, func(_ context.Context, k Key) (Info, error) {
			return containerdFind(t, dir, k)
		}})
	}
	return list
}

// containerdFind looks in each namespace: the cgroup's path does not always tell it. An id that two have is none: it could name the wrong.
// Docker's namespace is left out, as its bundles have no names.
func containerdFind(t tree, dir string, k Key) (Info, error) {
	namespaces, err := t.names(dir, namespacesMax)
	if err != nil {
		return Info{}, err
	}
	var found []byte
	for _, ns := range namespaces {
		if ns == "moby" || !plainName(ns, 128) {
			continue
		}
		b, err := t.read(strings.Join([]string{dir, ns, k.ID, "config.json"}, "/"), bodyMax)
		switch {
		case err == nil && found != nil:
			return Info{}, errUnknown
		case err == nil:
			found = b
		case !errors.Is(err, fs.ErrNotExist):
			return Info{}, err
		}
	}
	if found == nil {
		return Info{}, errUnknown
	}
	return bundleConfig(k, found)
}
