"""What Keras lacks: layers, schedules, optimizers; importing this registers them for loading."""

from denselab.components.dropout import MCAlphaDropout, MCDropout
from denselab.components.initializers import FanInUniform, Symmetric
from denselab.components.losses import SmoothedSparseCategoricalCrossentropy
from denselab.components.optimizers import ScheduledMomentumSGD
from denselab.components.schedules import Annealing, OneCycle, OneCycleMomentum

__all__ = [
    "Annealing",
    "FanInUniform",
    "MCAlphaDropout",
    "MCDropout",
    "OneCycle",
    "OneCycleMomentum",
    "ScheduledMomentumSGD",
    "SmoothedSparseCategoricalCrossentropy",
    "Symmetric",
]
