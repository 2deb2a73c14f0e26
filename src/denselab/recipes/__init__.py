"""Recipes: frozen, checked data that says what to train, and the built-in ladder of six.

A recipe is a small TOML file, its difference from the recipe it extends. Nothing here imports JAX
or Keras; `denselab.training` builds the network that a recipe describes.
"""

from denselab.recipes.changes import (
    Difference,
    Settings,
    apply_settings,
    differences,
    resolved,
    to_toml,
)
from denselab.recipes.loading import Preset, ladder, load_recipe, names
from denselab.recipes.network import Dropout, Network
from denselab.recipes.recipe import (
    Optimizer,
    Prediction,
    Preprocessing,
    Recipe,
    Schedule,
    Training,
    fields,
)
from denselab.recipes.sharing import groups, programs, start_source, weights_source
from denselab.recipes.size import (
    LayerRow,
    OneCycleSteps,
    ParameterCount,
    Steps,
    layer_summary,
    one_cycle_steps,
    parameter_count,
    steps,
)
from denselab.recipes.sparsity import Sparsity
from denselab.recipes.varying import Axis, Crossing, Variation, read_axis, vary

__all__ = [
    "Axis",
    "Crossing",
    "Difference",
    "Dropout",
    "LayerRow",
    "Network",
    "OneCycleSteps",
    "Optimizer",
    "ParameterCount",
    "Prediction",
    "Preprocessing",
    "Preset",
    "Recipe",
    "Schedule",
    "Settings",
    "Sparsity",
    "Steps",
    "Training",
    "Variation",
    "apply_settings",
    "differences",
    "fields",
    "groups",
    "ladder",
    "layer_summary",
    "load_recipe",
    "names",
    "one_cycle_steps",
    "parameter_count",
    "programs",
    "read_axis",
    "resolved",
    "start_source",
    "steps",
    "to_toml",
    "vary",
    "weights_source",
]
