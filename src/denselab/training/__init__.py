"""Where recipe, data and engine meet; start reading at `train.py`."""

import os
import sys

if "keras" not in sys.modules:  # as in the engine: where Keras already runs, nothing is changed
    os.environ.setdefault("KERAS_BACKEND", "jax")

from denselab.training.description import CalibrationSlice, ModelDescription
from denselab.training.following import Checkpoints, Following
from denselab.training.loading import LoadedModel, load_model
from denselab.training.network import build_network, compile_network
from denselab.training.rates import RateSweep, SweepPlan, sweep_rates
from denselab.training.results import Predictions, Progress, RecipeResult, Scores, Trial
from denselab.training.together import train_together
from denselab.training.train import restore_recipe, score, train_rates, train_recipe

__all__ = [
    "CalibrationSlice",
    "Checkpoints",
    "Following",
    "LoadedModel",
    "ModelDescription",
    "Predictions",
    "Progress",
    "RateSweep",
    "RecipeResult",
    "Scores",
    "SweepPlan",
    "Trial",
    "build_network",
    "compile_network",
    "load_model",
    "restore_recipe",
    "score",
    "sweep_rates",
    "train_rates",
    "train_recipe",
    "train_together",
]
