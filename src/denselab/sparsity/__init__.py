"""Sparse models: pruning by magnitude, gradually or by an L1 penalty, and removal of whole units.

`pruned_optimizer` is the machine behind all pruning that trains: masks are variables of the optimizer, so that the
compiled update sees them. `prune` and `prune_and_tune` hand back plain Keras models. `shrink` and `remove_units` go
through `graph`, which knows what every layer does to units, and `units`, which ties them together.
"""

from denselab.sparsity.inspection import SparsityFinding, inspect_sparsity
from denselab.sparsity.kernels import dense_layers, output_layers
from denselab.sparsity.l1 import PathPoint, choose_point, l1_path
from denselab.sparsity.latency import Latency
from denselab.sparsity.magnitude import TuningOptions, prune, prune_and_tune
from denselab.sparsity.masks import (
    ModelSparsity,
    apply_masks,
    magnitude_masks,
    masks_of,
    sparsity_of,
)
from denselab.sparsity.measurement import Measurement, Way
from denselab.sparsity.measuring import measure
from denselab.sparsity.optimizers import pruned_optimizer, stock_optimizer
from denselab.sparsity.packing import pack, save_packed
from denselab.sparsity.schedules import (
    GradualPruning,
    KeepZeros,
    ProximalL1,
    iterative_pruning,
    one_shot_pruning,
)
from denselab.sparsity.structured import remove_units, shrink, unit_share

__all__ = [
    "GradualPruning",
    "KeepZeros",
    "Latency",
    "Measurement",
    "ModelSparsity",
    "PathPoint",
    "ProximalL1",
    "SparsityFinding",
    "TuningOptions",
    "Way",
    "apply_masks",
    "choose_point",
    "dense_layers",
    "inspect_sparsity",
    "iterative_pruning",
    "l1_path",
    "magnitude_masks",
    "masks_of",
    "measure",
    "one_shot_pruning",
    "output_layers",
    "pack",
    "prune",
    "prune_and_tune",
    "pruned_optimizer",
    "remove_units",
    "save_packed",
    "shrink",
    "sparsity_of",
    "stock_optimizer",
    "unit_share",
]
