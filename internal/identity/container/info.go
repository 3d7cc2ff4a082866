package container

import (
	"slices"
	"unicode/utf8"
)

const (
	nameMax   = 256
	imageMax  = 512
	labelsMax = 64
	labelsLen = 4096 // keys and values together
)

// bound cuts names that are too long. Labels are kept whole or not at all, in the order of their keys: half a value is another one.
func (in *Info) bound() {
	in.Name, in.Image = cut(in.Name, nameMax), cut(in.Image, imageMax)
	keys := make([]string, 0, len(in.Labels))
	for k := range in.Labels {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	kept, room := map[string]string{}, labelsLen
	for _, k := range keys {
		v := in.Labels[k]
		if n := len(k) + len(v); n <= room && len(kept) < labelsMax {
			kept[k], room = v, room-n
		}
	}
	in.Labels = kept
	if len(kept) == 0 {
		in.Labels = nil
	}
}

// cut keeps whole runes.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// podKeys are the keys of labels or annotations that hold Kubernetes' names.
type podKeys struct{ pod, namespace, uid, container string }

// setPod takes Kubernetes' names. They have to be for the pod that the cgroup is in; an image's labels, or a user's, can claim any.
func (in *Info) setPod(k Key, m map[string]string, keys podKeys) {
	pod, namespace, container := m[keys.pod], m[keys.namespace], m[keys.container]
	if k.PodUID == "" || !sameUID(m[keys.uid], k.PodUID) || !kubeName(pod) || !kubeName(namespace) {
		return
	}
	in.Pod, in.Namespace = pod, namespace
	if kubeName(container) {
		in.PodContainer = container
	}
}
