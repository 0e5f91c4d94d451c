"""Simulated microscopy by name: fields of known content, through known optics and cameras."""
