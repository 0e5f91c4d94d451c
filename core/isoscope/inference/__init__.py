"""Prediction: a plan that shape and recipe fix, jobs of one output shard each, and the loop that runs them."""

from __future__ import annotations

from isoscope.inference.forecast import Forecast, forecast, tried
from isoscope.inference.jobs import create, finish, load_plan, run, save_plan
from isoscope.inference.planning import Job, Plan, plan
from isoscope.inference.predictor import Predictor, load
from isoscope.inference.skipping import skipping
from isoscope.inference.streaming import computed, stream
from isoscope.inference.tally import Tally

__all__ = [
    "Forecast", "Job", "Plan", "Predictor", "Tally", "computed", "create", "finish", "forecast", "load", "load_plan",
    "plan", "run", "save_plan", "skipping", "stream", "tried",
]  # fmt: skip
