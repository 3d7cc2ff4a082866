package intensity

// The generator needs npm, or tarballs at hand: see data/README.md. What it writes is checked in.
//go:generate go run ./gen -data data
