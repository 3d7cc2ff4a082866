package container

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
)

// CRI-O and Podman keep their containers by the library containers/storage: state in the first, and what outlives a boot in the second.
const (
	storageRun = "/run/containers/storage"
	storageLib = "/var/lib/containers/storage"
)

// storageBundles are the configurations of CRI-O's containers, which it writes to both.
func storageBundles(t tree) (list []source) {
	for _, base := range []string{storageRun, storageLib} {
		dir := base + "/overlay-containers"
		list = append(list, source{"crio " + dir, dir, func(_ context.Context, k Key) (Info, error) {
			if !hexID(k.ID) {
				return Info{}, errUnknown
			}
			b, err := t.read(dir+"/"+k.ID+"/userdata/config.json", bodyMax)
			if err != nil {
				return Info{}, err
			}
			return bundleConfig(k, b)
		}})
	}
	return list
}

// listMax bounds a list of all containers: some 600 bytes each.
const listMax = 8 << 20

// storageLists are the library's lists, where Podman's names are. Those of "podman run --rm" may be in a second file, or in the state
// directory. They have no labels.
func storageLists(t tree) (list []source) {
	bases := []string{storageLib, storageRun}
	if home := userHome(t); home != "" {
		bases = append(bases, home+"/.local/share/containers/storage")
	}
	for _, base := range bases {
		dir := base + "/overlay-containers"
		for _, file := range []string{dir + "/containers.json", dir + "/volatile-containers.json"} {
			list = append(list, source{"podman " + file, file, func(_ context.Context, k Key) (Info, error) {
				if !hexID(k.ID) {
					return Info{}, errUnknown
				}
				b, err := t.read(file, listMax)
				if err != nil {
					return Info{}, err
				}
				return storageList(k, b)
			}})
		}
	}
	return list
}

// userHome is the home of the user who runs this or ran sudo, for containers without root; "": root's, which has none, or not known.
func userHome(t tree) string {
	uid := cmp.Or(os.Getenv("SUDO_UID"), fmt.Sprint(os.Getuid()))
	if u, err := user.LookupId(uid); err == nil && uid != "0" && t.root == "/" {
		return u.HomeDir
	}
	return ""
}

// storageList finds a container in the library's list. The image's name is in a text that the library keeps for its user, itself JSON.
func storageList(k Key, body []byte) (Info, error) {
	var all []struct {
		ID       string
		Names    []string
		Metadata string
	}
	if err := json.Unmarshal(body, &all); err != nil {
		return Info{}, fmt.Errorf("list of containers: %w: %w", errForm, err)
	}
	for _, c := range all {
		if c.ID != k.ID {
			continue
		}
		var meta struct {
			Image string `json:"image-name"`
			Name  string `json:"name"`
		}
		// Without it there is still the name.
		_ = json.Unmarshal([]byte(c.Metadata), &meta)
		if len(c.Names) == 0 {
			c.Names = []string{meta.Name}
		}
		return Info{Name: c.Names[0], Image: meta.Image}, nil
	}
	return Info{}, errUnknown
}
