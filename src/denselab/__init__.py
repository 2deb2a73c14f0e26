"""Trains deep dense networks with the techniques of the field, side by side, and says which help."""

from importlib import import_module

_DOORS: dict[str, str] = {}
"""Public name -> module that holds it; opened when first used, so that `import denselab` is quick."""

__version__ = "0.1.0"

__all__ = sorted([*_DOORS, "__version__"])


def __getattr__(name: str) -> object:
    if name not in _DOORS:
        raise AttributeError(f"module 'denselab' has no attribute {name!r}; it has {', '.join(_DOORS)}")
    return getattr(import_module(_DOORS[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
