"""TOML in and out: a reader that no file can exhaust, and a writer for the values recipes have."""

import json
import tomllib
from collections.abc import Mapping

from denselab.errors import UsageError

__all__ = ["SIZE_LIMIT", "read_toml", "show", "write_toml"]

SIZE_LIMIT = 64 * 1024
"""Largest recipe file, in bytes; the longest of the ladder is below 1 KiB."""

_LINE_LIMIT = 1000
"""Longest line, in characters: `tomllib` needs 16 s for a key of 32,000 dotted parts."""

_DEPTH_LIMIT = 8
"""Deepest nesting; a recipe needs three levels."""


def read_toml(data: bytes, source: str) -> dict[str, object]:
    r"""Reads the bytes of a TOML file, within bounds.

    Args:
        data: What the file holds.
        source: What to call it in errors.

    Returns:
        The document as nested dictionaries.

    Raises:
        UsageError: If it is no TOML, or too large, too deep or too long in a line to be a recipe.

    Example:
        >>> read_toml(b"[network]\ndepth = 3", "my.toml")
        {'network': {'depth': 3}}
    """
    if len(data) > SIZE_LIMIT:
        raise UsageError(
            f"{source}: larger than {SIZE_LIMIT // 1024} KiB; no recipe is, give a recipe file"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{source}: not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None
    if max(map(len, text.split("\n"))) > _LINE_LIMIT:
        raise UsageError(f"{source}: a line is longer than {_LINE_LIMIT} characters; split it")
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise UsageError(f"{source}: nested too deeply for a recipe") from None
    except ValueError as error:
        raise UsageError(
            f"{source}: not valid TOML: {error}; a line reads key = value, each key once"
        ) from None
    if _depth(document) > _DEPTH_LIMIT:
        raise UsageError(f"{source}: nested deeper than {_DEPTH_LIMIT} levels; no recipe is")
    return document


def show(value: object, limit: int = 60) -> str:
    """Writes a value as it would stand in a recipe file, cut off after `limit` characters.

    Args:
        value: The value; tables and lists are only named.
        limit: Most characters.

    Returns:
        One line.

    Example:
        >>> show(True), show(None), show(1e-3), show("selu")
        ('true', '"none"', '0.001', '"selu"')
    """
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 1000:
        return f"a number of {value.bit_length()} bits"
    text = _scalar(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def write_toml(table: Mapping[str, object]) -> str:
    """Writes nested dictionaries as a TOML document.

    Args:
        table: Text, whole numbers, finite numbers, booleans, None (written "none") and
            dictionaries of them; keys that need no quotes.

    Returns:
        The document, with a line break at its end.

    Example:
        >>> print(write_toml({"name": "mine", "network": {"depth": 3}}), end="")
        name = "mine"
        <BLANKLINE>
        [network]
        depth = 3
    """
    return "\n".join(_lines(table, "")) + "\n"


def _lines(table: Mapping[str, object], prefix: str) -> list[str]:
    lines = [f"{k} = {_scalar(v)}" for k, v in table.items() if not isinstance(v, Mapping)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{prefix}{key}]", *_lines(value, f"{prefix}{key}.")]
    return lines


def _scalar(value: object) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    # DEL is the one character that TOML forbids and JSON leaves as it is.
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def _depth(document: object) -> int:
    deepest, level = 0, [document]
    while level:
        deepest += 1
        tables = [v for item in level for v in _children(item)]
        level = [v for v in tables if isinstance(v, dict | list)]
    return deepest


def _children(item: object) -> list[object]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []
