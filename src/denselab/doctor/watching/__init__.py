"""Looks into a network while it runs: outputs, gradients and updates of every layer, on all three backends."""

from denselab.doctor.watching.readings import LayerReading, Snapshot, rows_of

__all__ = ["LayerReading", "Snapshot", "rows_of"]
