"""Trains a population of any Keras model as one compiled program."""

import os
import sys

if "keras" not in sys.modules:  # where Keras already runs, its backend is the user's choice
    os.environ.setdefault("KERAS_BACKEND", "jax")

from denselab.engine.averaging import Averaging
from denselab.engine.checkpoint import Checkpoint
from denselab.engine.options import Options
from denselab.engine.platform import claim_cores
from denselab.engine.population import Population, train_population
from denselab.engine.prediction import Predictor
from denselab.engine.state import Member
from denselab.engine.stopping import Plateau

__all__ = [
    "Averaging",
    "Checkpoint",
    "Member",
    "Options",
    "Plateau",
    "Population",
    "Predictor",
    "claim_cores",
    "train_population",
]
