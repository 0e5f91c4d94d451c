"""Prediction: a plan that shape and recipe fix, jobs of one output shard each, and the loop that runs them."""

from __future__ import annotations

from isoscope.inference.planning import Job, Plan, plan
from isoscope.inference.predictor import Predictor, load
from isoscope.inference.running import Tally, run, stream

__all__ = ["Job", "Plan", "Predictor", "Tally", "load", "plan", "run", "stream"]
