"""Colour and intensity, prepared on reading as the recipe declares: camera offset, slow background, stain, labels."""

from __future__ import annotations

from isoscope.preparation.section import Background, Labels, Preparation, Stain, check_sides

__all__ = ["Background", "Labels", "Preparation", "Stain", "check_sides"]
