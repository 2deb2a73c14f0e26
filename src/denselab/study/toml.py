"""Writes the values a study's manifest has as TOML."""

import json
from collections.abc import Mapping

__all__ = ["write_toml"]


def write_toml(document: Mapping[str, object]) -> str:
    """Writes a document.

    Args:
        document: Text, whole numbers, finite numbers, booleans, lists of these, dictionaries of
            all that, and lists of dictionaries. Keys need no quotes.

    Returns:
        TOML text that ends in a line break.

    Example:
        >>> print(write_toml({"seeds": [0, 1], "runs": [{"command": "a"}, {"command": "b"}]}), end="")
        seeds = [0, 1]
        <BLANKLINE>
        [[runs]]
        command = "a"
        <BLANKLINE>
        [[runs]]
        command = "b"
    """
    return "\n".join(_lines(document, "")) + "\n"


def _lines(table: Mapping[str, object], prefix: str) -> list[str]:
    lines = [f"{key} = {_value(value)}" for key, value in table.items() if not _is_table(value)]
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *_lines(value, f"{name}.")]
        elif isinstance(value, list) and _is_table(value):
            for entry in value:
                lines += ["", f"[[{name}]]", *_lines(entry, f"{name}.")]
    return lines


def _is_table(value: object) -> bool:
    entries = value if isinstance(value, list) and value else [value]
    return all(isinstance(entry, Mapping) for entry in entries)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # A command line may hold bytes that are no text; DEL is the one character that TOML
        # forbids and JSON leaves as it is.
        text = value.encode("utf-8", "replace").decode()
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return str(value)
