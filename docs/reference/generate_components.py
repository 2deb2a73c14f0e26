"""Writes components.md beside it from the docstrings; run it after changing one of them."""

import ast
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

from denselab import components

__all__ = ["REACHED", "page"]

REACHED = {
    "Annealing": ("schedule.annealing",),
    "FadingDropout": ("network.dropout.fading",),
    "FanInUniform": ("network.bias_initializer",),
    "FrontScale": ("network.embedding",),
    "LearningRateRangeTest": (),
    "MCAlphaDropout": ("network.dropout.kind", "network.dropout.monte_carlo"),
    "MCDropout": ("network.dropout.kind", "network.dropout.monte_carlo"),
    "MixUp": ("training.mixup",),
    "OneCycle": ("schedule.kind", "schedule.warmup_fraction", "schedule.annealing"),
    "OneCycleMomentum": ("schedule.low_momentum", "schedule.high_momentum"),
    "ParametricActivation": ("network.parametric",),
    "PeriodicEmbedding": ("network.embedding",),
    "RReLU": ("network.activation",),
    "ScheduledMomentumSGD": ("schedule.low_momentum", "schedule.high_momentum"),
    "SmoothedSparseCategoricalCrossentropy": ("training.label_smoothing",),
    "StochasticWeightAveraging": ("training.swa_start",),
    "Symmetric": ("network.kernel_initializer",),
    "recalibrate_batch_normalization": ("training.ema", "training.swa_start"),
    "smooth_losses": (),
    "suggest_rates": (),
}
"""Component -> fields of a recipe that lead to it; without one it is what `denselab find-lr` is made of."""

_OPENING = """# Components

What Keras lacks, in `denselab.components`: layers, initializers, schedules, optimizers, losses and callbacks that
work on the JAX, torch and TensorFlow backends. Importing the room registers them, so that saved models load without
`custom_objects`.

This page is written by `python docs/reference/generate_components.py` from the docstrings.
"""

_SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Example", "References")


def page() -> str:
    """Writes the page.

    Returns:
        Markdown, one section a component, in alphabetical order.
    """
    return "\n".join([_OPENING, *(_entry(name) for name in components.__all__)])


def _entry(name: str) -> str:
    sections = dict(_sections(_docstring(name)))
    lines = [f"## {name}\n", f"{_what(name)}\n", sections[""].strip(), ""]
    for title in ("Args", "Attributes", "Returns"):
        if title in sections:
            lines += [f"{title}:\n", *_items(sections[title]), ""]
    if "Example" in sections:
        lines += ["```pycon", _code(sections["Example"]), "```", ""]
    fields = REACHED[name]
    reached = (
        ", ".join(f"`{field}`" for field in fields) or "none; it is a part of `denselab find-lr`"
    )
    lines += [f"In a recipe: {reached}.\n", f"References: {_joined(sections['References'])}\n"]
    return "\n".join(lines)


def _what(name: str) -> str:
    component: Any = getattr(components, name)
    if not callable(component) or name == "Annealing":
        return f"`{component}`".replace("typing.", "")
    parameters = str(inspect.signature(component)).split(" ->")[0]
    short = re.sub(r"\b(?:[a-z_]+[.])+(?=[A-Za-z])", "", parameters)  # module paths of annotations
    return f"`{name}{short}`"


def _docstring(name: str) -> str:
    component = getattr(components, name)
    if name == "Annealing":  # A type has no docstring of its own; what follows it is one.
        source = inspect.getsource(inspect.getmodule(components.OneCycle))
        body = ast.parse(source).body
        place = next(
            i for i, node in enumerate(body) if ast.unparse(node).startswith("Annealing =")
        )
        return inspect.cleandoc(ast.literal_eval(ast.unparse(body[place + 1])))
    return inspect.cleandoc(component.__doc__)


def _sections(text: str) -> Iterator[tuple[str, str]]:
    parts = re.split(rf"^({'|'.join(_SECTIONS)}):\n", text, flags=re.MULTILINE)
    yield "", parts[0]
    yield from zip(parts[1::2], (inspect.cleandoc(part) for part in parts[2::2]), strict=True)


def _items(text: str) -> Iterator[str]:
    """Makes a list of `name: words` entries whose later lines are indented."""
    for entry in re.split(r"\n(?=\S)", text):
        words = _joined(entry)
        name = re.match(r"(\**\w+): ", words)
        yield f"- `{name.group(1)}`: {words[name.end() :]}" if name else f"- {words}"


def _code(text: str) -> str:
    """Keeps the code; words between it become comments."""
    kept, after_code = [], False
    for line in text.splitlines():
        after_code = line.startswith((">>>", "...")) or (after_code and bool(line))
        kept.append(line if after_code or not line else f"# {line}")
    return "\n".join(kept).strip()


def _joined(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    Path(__file__).with_name("components.md").write_text(page(), encoding="utf-8")
