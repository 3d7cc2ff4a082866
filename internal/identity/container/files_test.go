package container

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// id is a container's id of one digit.
func id(digit string) string { return strings.Repeat(digit, 64) }

const (
	podUID    = "0f8b4c52-3d1e-4c6a-9b7e-51c2a3d4e5f6"
	crioUID   = "aaaa2b4a-f398-41c0-928b-049e1cc4ec40"
	dockerUID = "1c2d3e4f-0a1b-4c2d-8e3f-405162738495"
	k3sUID    = "5b0e8f1e-7f43-4e59-8d2b-3c1f6a7b8c9d"
	staticUID = "4c1e9a0f2b3d4e5f60718293a4b5c6d7"
)

// noSockets are API sockets that are not there.
var noSockets = []string{"/nonexistent/docker.sock"}

func newResolver(t testing.TB, o Options) *Resolver {
	t.Helper()
	r := New(o)
	t.Cleanup(r.Close)
	return r
}

// ask returns what the first look-ups find.
func ask(t testing.TB, r *Resolver, k Key) (Info, bool) {
	t.Helper()
	r.Ask(k)
	r.Wait(10 * time.Second)
	return r.Get(k)
}

// fixture copies the tree and adds the kubelet's links, which a module's archive cannot hold.
func fixture(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("testdata/root")); err != nil {
		t.Fatal(err)
	}
	logs := filepath.Join(root, "var/log/containers")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	for link, pod := range map[string]string{
		"web-7d9c-x2x4z_shop_app-" + id("9"):      "shop_web-7d9c-x2x4z_" + podUID + "/app",
		"etcd-node1_kube-system_etcd-" + id("8"):  "kube-system_etcd-node1_" + staticUID + "/etcd",
		"intruder_shop_app-" + id("7"):            "shop_intruder_1/app",
		"web-7d9c-x2x4z_shop_" + "a_b-" + id("6"): "shop_web-7d9c-x2x4z_" + podUID + "/a_b",
	} {
		if err := os.Symlink("/var/log/pods/"+pod+"/0.log", filepath.Join(logs, link+".log")); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFiles(t *testing.T) {
	root := fixture(t)
	r := newResolver(t, Options{Root: root, Sockets: noSockets})
	type want struct{ name, image, pod, source string }
	for _, c := range []struct {
		what string
		key  Key
		want want
	}{
		{"containerd", Key{"containerd", id("b"), podUID},
			want{"", "registry.example/shop/web:1.4", "shop/web-7d9c-x2x4z/app", "containerd /run/containerd/io.containerd.runtime.v2.task"}},
		{"its sandbox, runtime not known", Key{"", id("a"), podUID},
			want{"", "registry.k8s.io/pause:3.10", "shop/web-7d9c-x2x4z/POD", "containerd /run/containerd/io.containerd.runtime.v2.task"}},
		{"uid with underscores", Key{"containerd", id("b"), strings.ReplaceAll(podUID, "-", "_")},
			want{"", "registry.example/shop/web:1.4", "shop/web-7d9c-x2x4z/app", "containerd /run/containerd/io.containerd.runtime.v2.task"}},
		{"no pod in the path", Key{"containerd", id("b"), ""},
			want{"", "registry.example/shop/web:1.4", "", "containerd /run/containerd/io.containerd.runtime.v2.task"}},
		{"another pod in the path", Key{"containerd", id("b"), k3sUID},
			want{"", "registry.example/shop/web:1.4", "", "containerd /run/containerd/io.containerd.runtime.v2.task"}},
		{"nerdctl", Key{"containerd", id("c"), ""}, want{"cache", "", "", "containerd /run/containerd/io.containerd.runtime.v2.task"}},
		{"an id in two namespaces", Key{"containerd", "twice", ""}, want{}},
		{"K3s", Key{"", id("d"), k3sUID}, want{"", "docker.io/rancher/mirrored-library-traefik:3", "kube-system/traefik-5d45-9hk2p/traefik",
			"containerd /run/k3s/containerd/io.containerd.runtime.v2.task"}},
		{"CRI-O", Key{"crio", id("e"), crioUID}, want{"k8s_worker_batch-0_jobs_" + crioUID + "_0", "quay.io/example/worker:2",
			"jobs/batch-0/worker", "crio /run/containers/storage/overlay-containers"}},
		{"Podman", Key{"podman", id("f"), ""}, want{"db", "docker.io/library/postgres:17", "",
			"podman /var/lib/containers/storage/overlay-containers/containers.json"}},
		{"podman run --rm", Key{"podman", id("0"), ""}, want{"once", "quay.io/example/tool:1", "",
			"podman /run/containers/storage/overlay-containers/volatile-containers.json"}},
		{"Podman without a name", Key{"podman", id("1"), ""}, want{"", "", "",
			"podman /var/lib/containers/storage/overlay-containers/containers.json"}},
		{"Docker", Key{"docker", id("2"), ""}, want{"front", "nginx:1.29", "", "docker /var/lib/docker/containers"}},
		{"Docker by ECS", Key{"ecs", id("2"), ""}, want{"front", "nginx:1.29", "", "docker /var/lib/docker/containers"}},
		{"cri-dockerd", Key{"docker", id("3"), dockerUID}, want{"k8s_app_web_shop_" + dockerUID + "_0", "sha256:" + id("1"), "shop/web/app",
			"docker /var/lib/docker/containers"}},
		{"a runtime that is none of these", Key{"lxc", id("2"), ""}, want{}},
		{"the kubelet's logs", Key{"", id("9"), podUID}, want{"", "", "shop/web-7d9c-x2x4z/app",
			"kubelet /var/log/pods; kubelet /var/log/containers"}},
		{"a static pod's", Key{"", id("8"), staticUID}, want{"", "", "kube-system/etcd-node1/etcd",
			"kubelet /var/log/pods; kubelet /var/log/containers"}},
		{"a pod's own cgroup", Key{"", "", podUID}, want{"", "", "shop/web-7d9c-x2x4z/", "kubelet /var/log/pods"}},
		{"a link of another pod", Key{"", id("7"), podUID}, want{"", "", "shop/web-7d9c-x2x4z/", "kubelet /var/log/pods"}},
		{"a link that is none", Key{"", id("6"), podUID}, want{"", "", "shop/web-7d9c-x2x4z/", "kubelet /var/log/pods"}},
		{"a pod that is not here", Key{"", id("5"), crioUID}, want{}},
		{"nothing", Key{}, want{}},
		{"a path", Key{"containerd", "../default/" + id("c"), ""}, want{}},
		{"dots", Key{"containerd", "..", ""}, want{}},
		{"too long", Key{"containerd", strings.Repeat("a", 129), ""}, want{}},
		{"a name for Docker", Key{"docker", "front", ""}, want{}},
		{"the beginning of an id", Key{"docker", id("2")[:12], ""}, want{}},
	} {
		in, ok := ask(t, r, c.key)
		got := want{in.Name, in.Image, "", in.Source}
		if in.Pod != "" {
			got.pod = in.Namespace + "/" + in.Pod + "/" + in.PodContainer
		}
		if got != c.want || ok != (c.want != want{}) {
			t.Errorf("%s: got %+v, %v, want %+v", c.what, got, ok, c.want)
		}
	}
	if in, _ := r.Get(Key{"docker", id("2"), ""}); len(in.Labels) != 2 || in.Labels["com.docker.compose.project"] != "shop" {
		t.Errorf("labels %v", in.Labels)
	}
	if in, _ := r.Get(Key{"crio", id("e"), crioUID}); len(in.Labels) != 4 {
		t.Errorf("CRI-O's labels %v", in.Labels)
	}
	if p := r.Problems(); len(p) > 0 {
		t.Errorf("problems: %q", p)
	}
}

// Where the host's tree is mounted in a container, its absolute links lead to its own directories.
func TestRootIsNotLeft(t *testing.T) {
	root := fixture(t)
	if err := os.Rename(filepath.Join(root, "var/lib/docker"), filepath.Join(root, "data")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/data", filepath.Join(root, "var/lib/docker")); err != nil {
		t.Fatal(err)
	}
	r := newResolver(t, Options{Root: root, Sockets: noSockets})
	if in, _ := ask(t, r, Key{"docker", id("2"), ""}); in.Name != "front" {
		t.Errorf("got %+v", in)
	}
}

func TestFilesUnreadable(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "var/lib/docker/containers", id("2"))
	pipe := filepath.Join(root, "run/containerd/io.containerd.runtime.v2.task/default", id("4"))
	for _, d := range []string{dir, filepath.Join(dir, "config.v2.json"), pipe} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mkfifo(t, filepath.Join(pipe, "config.json"))
	r := newResolver(t, Options{Root: root, Sockets: noSockets})
	for _, k := range []Key{{"docker", id("2"), ""}, {"containerd", id("4"), ""}, {"podman", id("5"), ""}} {
		if in, ok := ask(t, r, k); ok {
			t.Errorf("%v: %+v", k, in)
		}
	}
	want := []string{
		"docker /var/lib/docker/containers: not of the form that was expected",
		"containerd /run/containerd/io.containerd.runtime.v2.task: not of the form that was expected",
		"podman: neither its API socket nor its files are here; its containers keep their ids",
	}
	if got := r.Problems(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestReadIsBounded(t *testing.T) {
	root := t.TempDir()
	for name, size := range map[string]int64{"fits": bodyMax, "long": bodyMax + 1} {
		f, err := os.Create(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if b, err := (tree{root}).read("/fits", bodyMax); err != nil || len(b) != bodyMax {
		t.Errorf("fits: %d, %v", len(b), err)
	}
	if _, err := (tree{root}).read("/long", bodyMax); err != errLong {
		t.Errorf("long: %v", err)
	}
}

func TestUsualSockets(t *testing.T) {
	env := map[string]string{"DOCKER_HOST": "unix:///srv/my.sock", "SUDO_UID": "1000"}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "run/podman"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "var"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../run", filepath.Join(root, "var/run")); err != nil {
		t.Fatal(err)
	}
	docker, podman, remote := usualSockets(root, func(k string) string { return env[k] })
	if remote {
		t.Error("a unix socket is taken for another")
	}
	if want := []string{"/srv/my.sock", root + "/run/docker.sock", root + "/run/user/1000/docker.sock"}; !same(docker, want) {
		t.Errorf("docker %q, want %q", docker, want)
	}
	if want := []string{root + "/run/podman/podman.sock", root + "/run/user/1000/podman/podman.sock"}; !same(podman, want) {
		t.Errorf("podman %q, want %q", podman, want)
	}
	for _, bad := range []string{"tcp://127.0.0.1:2375", "ssh://x", "unix://", "%"} {
		docker, _, remote = usualSockets("/", func(k string) string { return map[string]string{"DOCKER_HOST": bad, "SUDO_UID": "../.."}[k] })
		if !remote || docker[0] != "/run/docker.sock" {
			t.Errorf("DOCKER_HOST=%s: %q, %v", bad, docker, remote)
		}
	}
	t.Setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
	r := newResolver(t, Options{Root: root})
	ask(t, r, Key{"docker", id("a"), ""})
	if p := r.Problems(); len(p) != 1 || p[0] != "DOCKER_HOST: no unix socket; not asked" {
		t.Errorf("problems %q", p)
	}
}

// same compares without the sockets of the user who runs the test.
func same(got, want []string) bool {
	for len(got) > len(want) && os.Getuid() != 0 {
		got = got[:len(got)-1]
	}
	return strings.Join(got, " ") == strings.Join(want, " ")
}

func FuzzBundle(f *testing.F) {
	for _, p := range []string{"a", "b"} {
		b, err := os.ReadFile("testdata/root/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + id(p) + "/config.json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	b, err := os.ReadFile("testdata/root/run/containers/storage/overlay-containers/" + id("e") + "/userdata/config.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"annotations":{"io.kubernetes.cri-o.Labels":"[1"}}`))
	f.Add([]byte(`{"annotations":[1]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		k := Key{"", id("b"), podUID}
		in, err := bundleConfig(k, b)
		checkInfo(t, k, in, err)
		in, err = storageList(k, b)
		checkInfo(t, k, in, err)
	})
}

func FuzzPodDir(f *testing.F) {
	f.Add("shop_web-7d9c-x2x4z_"+podUID, "b")
	f.Add("web-7d9c-x2x4z_shop_app-"+id("b")+".log", "b")
	f.Add("__", "")
	f.Add("a/b_.._c", "../")
	f.Fuzz(func(t *testing.T, name, digit string) {
		namespace, pod, uid, ok := podDir(name)
		if ok && (namespace+"_"+pod+"_"+uid != name || !kubeName(pod) || !kubeName(namespace) || !plainName(uid, 64)) {
			t.Errorf("%q: %q %q %q", name, namespace, pod, uid)
		}
		pod, namespace, container, ok := logLink(name, digit)
		if ok && (pod+"_"+namespace+"_"+container+"-"+digit+".log" != name || !kubeName(container)) {
			t.Errorf("%q: %q %q %q", name, pod, namespace, container)
		}
	})
}

func checkInfo(t *testing.T, k Key, in Info, err error) {
	t.Helper()
	if err != nil && in.Name+in.Image+in.Pod != "" {
		t.Fatalf("%+v in spite of %v", in, err)
	}
	if err != nil && strings.ContainsAny(cause(err), "\n<{") {
		t.Fatalf("cause %q", cause(err))
	}
	in.bound()
	size := 0
	for k, v := range in.Labels {
		size += len(k) + len(v)
	}
	if len(in.Name) > nameMax || len(in.Image) > imageMax || size > labelsLen || len(in.Labels) > labelsMax {
		t.Fatalf("too large: %+v", in)
	}
	if in.Pod != "" && (!kubeName(in.Pod) || !kubeName(in.Namespace)) || in.PodContainer != "" && !kubeName(in.PodContainer) {
		t.Fatalf("no name: %+v", in)
	}
	if in.Pod == "" && in.PodContainer != "" || k.PodUID == "" && in.Pod != "" {
		t.Fatalf("a pod out of nothing: %+v", in)
	}
}

func mkfifo(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}
