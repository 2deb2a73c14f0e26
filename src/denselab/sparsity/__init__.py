"""Sparse models: pruning by magnitude, gradually or by an L1 penalty, and removal of whole units."""

from denselab.sparsity.kernels import dense_layers, output_layers
from denselab.sparsity.masks import (
    ModelSparsity,
    apply_masks,
    magnitude_masks,
    masks_of,
    sparsity_of,
)
from denselab.sparsity.optimizers import pruned_optimizer, stock_optimizer
from denselab.sparsity.schedules import (
    GradualPruning,
    KeepZeros,
    ProximalL1,
    iterative_pruning,
    one_shot_pruning,
)

__all__ = [
    "GradualPruning",
    "KeepZeros",
    "ModelSparsity",
    "ProximalL1",
    "apply_masks",
    "dense_layers",
    "iterative_pruning",
    "magnitude_masks",
    "masks_of",
    "one_shot_pruning",
    "output_layers",
    "pruned_optimizer",
    "sparsity_of",
    "stock_optimizer",
]
