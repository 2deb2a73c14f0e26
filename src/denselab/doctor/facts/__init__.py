"""Reads the facts of a setup: layers, losses, optimizer, data and the arguments of `fit`."""

from denselab.doctor.facts.gather import Request, gather
from denselab.doctor.facts.setup import Setup

__all__ = ["Request", "Setup", "gather"]
