package bpf

// One object serves amd64 and arm64: both are little-endian and no program reads registers. The compiler is pinned, so that everyone gets the same bytes.
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -go-package bpf -type slot -type cpu_state -type spill_key -type follow_state -type slot_flags -type left -type event_head -type event_kind -type holding -type holding_flags eco2 eco2.bpf.c -- -O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-declarations
