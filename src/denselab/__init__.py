"""Trains deep dense networks with the techniques of the field, side by side, and says which help."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # What editors see; at run time these names are opened below.
    from denselab.data import load as load_data
    from denselab.doctor import diagnose
    from denselab.engine import Plateau, train_population
    from denselab.estimators import DenseClassifier, DenseRegressor, cross_validate_population
    from denselab.recipes import ladder, load_recipe
    from denselab.report import write_report
    from denselab.study import compare
    from denselab.training import train_recipe

__all__ = [
    "DenseClassifier",
    "DenseRegressor",
    "Plateau",
    "__version__",
    "compare",
    "cross_validate_population",
    "diagnose",
    "ladder",
    "load_data",
    "load_recipe",
    "train_population",
    "train_recipe",
    "write_report",
]

__version__ = "0.1.0"

_DOORS = {
    "DenseClassifier": "denselab.estimators:DenseClassifier",
    "DenseRegressor": "denselab.estimators:DenseRegressor",
    "Plateau": "denselab.engine:Plateau",
    "compare": "denselab.study:compare",
    "cross_validate_population": "denselab.estimators:cross_validate_population",
    "diagnose": "denselab.doctor:diagnose",
    "ladder": "denselab.recipes:ladder",
    "load_data": "denselab.data:load",
    "load_recipe": "denselab.recipes:load_recipe",
    "train_population": "denselab.engine:train_population",
    "train_recipe": "denselab.training:train_recipe",
    "write_report": "denselab.report:write_report",
}
"""Public name -> module and name there; opened when first used, so `import denselab` is quick."""


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        known = ", ".join(_DOORS)
        raise AttributeError(f"module 'denselab' has no attribute {name!r}; it has {known}")
    module, _, original = _DOORS[name].partition(":")
    return getattr(import_module(module), original)


def __dir__() -> list[str]:
    return list(__all__)
