"""A trained transformation: how it predicts, and how it lies on disk, as nothing that could run code when loaded."""

from __future__ import annotations

from isoscope.model.ensembling import ensemble
from isoscope.model.loading import as_trained, load
from isoscope.model.predicting import Model
from isoscope.model.saving import save

__all__ = ["Model", "as_trained", "ensemble", "load", "save"]
