"""Parts of the inversion experiment; see benchmarks/inversion.py."""
