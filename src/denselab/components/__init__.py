"""What Keras lacks: layers, schedules, optimizers; importing this registers them for loading."""

from denselab.components.activations import RReLU
from denselab.components.averaging import (
    StochasticWeightAveraging,
    recalibrate_batch_normalization,
)
from denselab.components.dropout import MCAlphaDropout, MCDropout
from denselab.components.fading import FadingDropout
from denselab.components.initializers import FanInUniform, Symmetric
from denselab.components.losses import SmoothedSparseCategoricalCrossentropy
from denselab.components.mixup import MixUp
from denselab.components.optimizers import ScheduledMomentumSGD
from denselab.components.range_test import LearningRateRangeTest
from denselab.components.schedules import Annealing, OneCycle, OneCycleMomentum
from denselab.components.suggestions import smooth_losses, suggest_rates
from denselab.components.tabular import FrontScale, ParametricActivation, PeriodicEmbedding

__all__ = [
    "Annealing",
    "FadingDropout",
    "FanInUniform",
    "FrontScale",
    "LearningRateRangeTest",
    "MCAlphaDropout",
    "MCDropout",
    "MixUp",
    "OneCycle",
    "OneCycleMomentum",
    "ParametricActivation",
    "PeriodicEmbedding",
    "RReLU",
    "ScheduledMomentumSGD",
    "SmoothedSparseCategoricalCrossentropy",
    "StochasticWeightAveraging",
    "Symmetric",
    "recalibrate_batch_normalization",
    "smooth_losses",
    "suggest_rates",
]
