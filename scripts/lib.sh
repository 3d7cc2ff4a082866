# shellcheck shell=bash
# Shared by the scripts beside it; they source it from the repository root.

note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { note "$@"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
in_ci() { [ "${CI:-}" = true ] || [ "${CI:-}" = 1 ]; }

# A bare service or `sudo make` may lack these two, and Go needs both.
export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
if ! have go && [ -x /usr/local/go/bin/go ]; then PATH=$PATH:/usr/local/go/bin; fi

# Git refuses a tree owned by another user (sudo, CI), and go would stop with it; scripts/build stamps the version.
export GOFLAGS="-buildvcs=false${GOFLAGS:+ $GOFLAGS}"

export CGO_CFLAGS="${CGO_CFLAGS:--O2 -g} -Wno-deprecated-declarations" # of go-nvml's bindings: what they warn of is the library's

need_go() {
  local want
  want=$(awk '$1 == "go" { print $2; exit }' go.mod)
  have go || die "no 'go' in PATH: install Go $want or newer (https://go.dev/dl/), then run this again"
  # Go 1.21 and newer fetch the toolchain of go.mod by themselves, unless told not to.
  go list -m >/dev/null 2>&1 ||
    die "$(go version | cut -d' ' -f3) is too old for this project (go.mod wants go $want) and could not fetch a newer one:" \
      "install Go $want or newer (https://go.dev/dl/), or set GOTOOLCHAIN=auto with a network"
}

# pick_sudo sets SUDO to the words that make a command run as root; it fails where there is no way to.
SUDO=()
pick_sudo() {
  [ "$(id -u)" != 0 ] || return 0
  have sudo || return 1
  # Without a terminal nobody can type the password.
  sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; } || return 1
  SUDO=(sudo)
}

# test_exec sets EXEC to the go test flags that run test binaries as root, while go itself stays the user's
# (root must leave nothing in the user's caches). It fails where the tests will not run as root.
# shellcheck disable=SC2034 # EXEC and NEED are used by the scripts that source this
EXEC=()
# shellcheck disable=SC2034
test_exec() {
  pick_sudo || return 1
  [ ${#SUDO[@]} = 0 ] ||
    EXEC=(-exec "sudo -E -H env 'PATH=$PATH' 'GOFLAGS=$GOFLAGS' 'GOMODCACHE=$(go env GOMODCACHE)'")
}

# A test that cannot run here skips with "need root: ...", "need btf: ..." and the like; this is how that looks in a log.
# shellcheck disable=SC2034
NEED='\.go:[0-9]+: need [a-z0-9_-]+:'
