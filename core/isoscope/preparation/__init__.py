"""Colour and intensity, prepared on reading as the recipe declares: camera offset, slow background, stain."""

from __future__ import annotations

from isoscope.preparation.section import Background, Preparation, Stain

__all__ = ["Background", "Preparation", "Stain"]
