"""Turns what pydantic found wrong with a recipe into one line that says how to mend it."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import ValidationError

from denselab.recipes.recipe import fields
from denselab.recipes.toml import show

__all__ = ["explain", "suggest"]

_OTHER_WORDS = {
    "lr": "learning_rate",
    "wd": "weight_decay",
    "layers": "depth",
    "hidden_layers": "depth",
    "units": "width",
    "neurons": "width",
    "initializer": "kernel_initializer",
    "scheduler": "schedule",
    "swish": "silu",
    "batchnorm": "batch",
    "layernorm": "layer",
    "1cycle": "one_cycle",
    "mix_up": "mixup",
    "use_ema": "ema",
    "ema_momentum": "ema",
    "swa": "swa_start",
    "plateau": "reduce_on_plateau",
}
"""What others call a thing -> what it is called here."""

_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}

_KINDS = {
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": 'text in quotes, such as "mine"',
    "model_type": "a table of settings",
    "finite_number": "a finite number",
}


def explain(error: ValidationError, source: str) -> str:
    """Says in one line what is wrong with a recipe, where, and how to mend it.

    Args:
        error: What pydantic found.
        source: The file, or whatever the recipe came from.

    Returns:
        Source, field, what came, what was expected; how many more problems there are, if any.

    Example:
        >>> from denselab.recipes.recipe import Recipe
        >>> try:
        ...     Recipe.model_validate({"name": "mine", "network": {"depth": 0}})
        ... except ValidationError as error:
        ...     print(explain(error, "mine.toml"))
        mine.toml: network.depth = 0: must be at least 1
    """
    problems = error.errors(include_url=False)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{source}: {_printable(_sentence(problems[0]))}{more}"


def suggest(word: str, options: Iterable[str]) -> str | None:
    """Finds what someone probably meant.

    Args:
        word: What they wrote.
        options: What there is.

    Returns:
        The closest option, or None if none is close.

    Example:
        >>> suggest("batchnorm", ["plain", "batch_norm"]), suggest("xyz", ["plain"])
        ('batch_norm', None)
    """
    known = list(options)
    exact = _exact(word, known)
    close = difflib.get_close_matches(word.lower(), known, n=1)
    return exact or (close[0] if close else None)


def _printable(text: str) -> str:
    # A quoted TOML key may hold line breaks and terminal codes.
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _exact(word: str, options: list[str]) -> str | None:
    lowered = word.lower().replace("-", "_")
    return next((w for w in (lowered, _OTHER_WORDS.get(lowered)) if w in options), None)


def _sentence(problem: Mapping[str, Any]) -> str:
    context = problem.get("ctx", {})
    kind, value = problem["type"], problem["input"]
    *table, key = (str(part)[:60] for part in problem["loc"] or ("",))
    field = ".".join([*table, key])
    if kind == "extra_forbidden":
        return _unknown(".".join(table), key)
    if kind == "recipe":
        path = ".".join(filter(None, (field, context["field"])))
        return f"{path} = {context['came']}: {context['expected']}"
    return f"{field} = {show(value)}: {_expected(kind, field, value, context)}"


def _unknown(table: str, key: str) -> str:
    split = [path.rpartition(".") for path in fields()]
    here = [leaf for parent, _, leaf in split if parent == table]
    anywhere = [leaf for _, _, leaf in split]
    leaf = _exact(key, anywhere) or suggest(key, here) or suggest(key, anywhere)
    what = f"{table}.{key}" if table else key
    if leaf is None:
        return f"{what} is no field of a recipe; {table or 'a recipe'} has {', '.join(here)}"
    parents = [table] if leaf in here else [p for p, _, name in split if name == leaf]
    meant = " or ".join(f"{parent}.{leaf}" if parent else leaf for parent in parents)
    return f"{what} is no field of a recipe; did you mean {meant}?"


def _expected(kind: str, field: str, value: object, context: Mapping[str, Any]) -> str:
    if kind == "literal_error":
        options = list(get_args(fields()[field].annotation))
        meant = suggest(value, options) if isinstance(value, str) else None
        hint = f"; did you mean {meant}?" if meant else ""
        return f"must be one of {', '.join(options)}{hint}"
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"must be {words} {_number(context[bound])}"
    if kind == "string_pattern_mismatch":
        return "must be 1 to 64 letters, digits, '_', '-' or '.', and begin with a letter or digit"
    if kind == "string_too_long":
        return f"must be at most {context['max_length']} characters"
    return f"must be {_KINDS.get(kind, context.get('expected', 'valid'))}{_advice(kind, value)}"


def _number(bound: float) -> str:
    return f"{int(bound):,}" if bound == int(bound) else str(bound)


def _advice(kind: str, value: object) -> str:
    if kind == "bool_type" and value in ("true", "false"):
        return f"; write {value} without quotes"
    if kind == "int_type" and isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"; write {value:.0f}"
    if kind in ("float_type", "int_type") and isinstance(value, str) and _is_number(value):
        return f"; write {value.strip()} without quotes"
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
