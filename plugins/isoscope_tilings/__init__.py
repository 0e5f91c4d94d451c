"""Tiling strategies."""
