"""Simulated microscopy: seeded fields of known content, seen through declared optics and a declared camera."""
