"""Load and speed: benchmarks that print a ratio to something plain."""
