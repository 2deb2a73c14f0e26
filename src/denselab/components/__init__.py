"""What Keras lacks: layers, schedules, optimizers; importing this registers them for loading."""

from denselab.components.dropout import MCAlphaDropout, MCDropout
from denselab.components.optimizers import ScheduledMomentumSGD
from denselab.components.schedules import Annealing, OneCycle, OneCycleMomentum

__all__ = [
    "Annealing",
    "MCAlphaDropout",
    "MCDropout",
    "OneCycle",
    "OneCycleMomentum",
    "ScheduledMomentumSGD",
]
