# The recipes only call scripts/, so that people, CI and make do the same things.
# Variables: CGO_ENABLED=0, PREFIX, DESTDIR, ARGS (attach), BENCHTIME, FUZZTIME.
PREFIX ?= /usr/local
ARGS ?= -d 5s

.DEFAULT_GOAL := build
.PHONY: help build attach test race lint generate check-generated bench overhead accuracy vm vm-rapl cross fuzz install clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

build: ## build ./eco2-bpf (the default; also: make build CGO_ENABLED=0)
	@scripts/build

attach: build ## build, then watch this machine for 5 s (ARGS="-d 10s" for longer); sudo when not root
	@scripts/attach $(ARGS)

test: ## all tests, as root where possible; installs what they need by apt
	@scripts/test

race: ## all but the kernel's tests under the race detector
	@scripts/race

lint: ## gofmt, vet, staticcheck, shellcheck, clang-format, vagrant validate
	@scripts/lint

generate: ## rebuild the BPF objects in bpf/ (needs clang-19; the objects are committed)
	@scripts/generate

check-generated: ## rebuild the BPF objects and fail if they differ
	@scripts/check-generated

bench: ## every benchmark (BENCHTIME=1x for once each)
	@scripts/bench

overhead: ## what a context switch costs with eco2-bpf attached
	@scripts/overhead

accuracy: ## what we and other programs tell of processes against the truth: docs/accuracy.md
	@scripts/accuracy

vm: ## boot Debian kernels 5.10 to 7 in qemu and run the kernel's tests in each (not part of CI)
	@scripts/deps vm
	@scripts/vm

vm-rapl: vm ## likewise with the kernel's own RAPL drivers over simulated counters: powercap against perf
	@scripts/deps vm-rapl
	@scripts/vm-rapl

cross: ## static binaries for linux/amd64 and linux/arm64 in build/
	@scripts/cross

fuzz: ## each fuzz target for FUZZTIME (3s)
	@scripts/fuzz

install: build ## install to $(DESTDIR)$(PREFIX)/bin
	install -D -m 0755 eco2-bpf $(DESTDIR)$(PREFIX)/bin/eco2-bpf

clean: ## remove what was built
	rm -rf build eco2-bpf
