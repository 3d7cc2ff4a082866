package container

import (
	"errors"
	"io/fs"
	"strings"
)

// The kubelet's log directories (kubelet's pkg/kuberuntime/helpers.go and legacy.go): NAMESPACE_NAME_UID for each pod, and a link for
// each container, POD_NAMESPACE_CONTAINER-ID.log. No name of Kubernetes has a '_'.
const (
	kubeletPods = "/var/log/pods"
	kubeletLogs = "/var/log/containers"
	kubeletMost = 16384 // entries of either that are looked at
)

type kubelet struct{ tree tree }

// fill adds the names of the pod and of the container in it, as far as they are not known. A sandbox has no log, so no name here.
func (l kubelet) fill(k Key, in *Info) error {
	var errs []error
	if in.Pod == "" {
		names, err := l.tree.names(kubeletPods, kubeletMost)
		errs = append(errs, err)
		for _, name := range names {
			if namespace, pod, uid, ok := podDir(name); ok && sameUID(uid, k.PodUID) {
				in.Namespace, in.Pod = namespace, pod
				in.from("kubelet " + kubeletPods)
				break
			}
		}
	}
	// The link alone is not enough: its name says nothing of the pod's uid.
	if in.Pod != "" && in.PodContainer == "" && hexID(k.ID) {
		names, err := l.tree.names(kubeletLogs, kubeletMost)
		errs = append(errs, err)
		for _, name := range names {
			if pod, namespace, container, ok := logLink(name, k.ID); ok && pod == in.Pod && namespace == in.Namespace {
				in.PodContainer = container
				in.from("kubelet " + kubeletLogs)
				break
			}
		}
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (in *Info) from(source string) {
	if in.Source != "" {
		source = in.Source + "; " + source
	}
	in.Source = source
}

func podDir(name string) (namespace, pod, uid string, ok bool) {
	f := strings.Split(name, "_")
	if len(f) != 3 || !kubeName(f[0]) || !kubeName(f[1]) || !plainName(f[2], 64) {
		return "", "", "", false
	}
	return f[0], f[1], f[2], true
}

// logLink is not ok for a name that the kubelet had to cut, at 255 bytes: the id is at its end.
func logLink(name, id string) (pod, namespace, container string, ok bool) {
	rest, ok := strings.CutSuffix(name, "-"+id+".log")
	f := strings.Split(rest, "_")
	if !ok || len(f) != 3 || !kubeName(f[0]) || !kubeName(f[1]) || !kubeName(f[2]) {
		return "", "", "", false
	}
	return f[0], f[1], f[2], true
}
