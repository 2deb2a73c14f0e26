"""A file of several sections, each written by a script of its own."""

import os
from pathlib import Path

__all__ = ["replace_section"]

_TITLE = "# Results\n\nWritten by `make bench`; every section by the script it names.\n"


def replace_section(path: Path, name: str, text: str) -> None:
    """Puts a section between its markers and leaves the rest of the file as it is.

    Args:
        path: The file; made if it is not there, and written whole or not at all.
        name: Name of the section; a new one goes to the end.
        text: Markdown of the section.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    old = path.read_text(encoding="utf-8") if path.exists() else _TITLE
    before, found, rest = old.partition(begin)
    after = rest.partition(end)[2] if found else ""
    if not found:
        before = before.rstrip("\n") + "\n\n"
    partial = path.with_name(path.name + ".partial")
    partial.write_text(f"{before}{begin}{text.strip()}\n{end}{after}", encoding="utf-8")
    os.replace(partial, path)
