"""Reads claims: those that come along, and anybody's own files."""

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from denselab.errors import UsageError
from denselab.recipes import Preset, Recipe, load_recipe
from denselab.recipes.changes import overlay
from denselab.recipes.problems import suggest
from denselab.recipes.toml import SIZE_LIMIT, read_toml, show
from denselab.study.claims.claim import Claim
from denselab.study.claims.parts import KINDS, Part

__all__ = ["Values", "claim_names", "load_claim", "load_claims"]

_FIELDS = ("statement", "source", "published", "follows", "tune", "arms", "parts")
_LONGEST = 500


@dataclass(frozen=True)
class Values:
    """Whose values arms have where their claim does not say otherwise.

    Attributes:
        preset: The ladder of rungs that name none.
        settings: Changes to every rung, which an arm's own fields outrank.
    """

    preset: Preset = "tuned"
    settings: tuple[str, ...] = ()


def claim_names() -> tuple[str, ...]:
    """Lists the claims that come along, in alphabetical order."""
    found = (one.name for one in _catalogue().iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


def load_claims(
    only: Sequence[str] = (), *, own: Sequence[Path] = (), values: Values | None = None
) -> tuple[Claim, ...]:
    """Reads several claims.

    Args:
        only: Names of those that come along, or of own ones; all by default.
        own: Files of the user.
        values: Whose values arms have.

    Returns:
        The claims, own ones last.

    Raises:
        UsageError: If one cannot be read, or a name is not known or given twice.
    """
    values = values or Values()
    claims = [load_claim(name, values) for name in claim_names()]
    for path in own:
        claim = load_claim(path, values)
        if claim.name in {one.name for one in claims}:
            raise UsageError(f"{path}: a claim is called {claim.name} already; rename the file")
        claims.append(claim)
    known = {claim.name: claim for claim in claims}
    for name in only:
        if name not in known:
            meant = suggest(name, known)
            hint = f"did you mean {meant}?" if meant else f"there are {', '.join(known)}"
            raise UsageError(f"no claim is called {name!r}; {hint}")
    return tuple(claim for claim in claims if not only or claim.name in only)


def load_claim(name: str | Path, values: Values | None = None) -> Claim:
    """Reads one claim.

    Args:
        name: Name of one that comes along, or the path of a file.
        values: Whose values arms have.

    Returns:
        The claim, all its arms and parts checked.

    Raises:
        UsageError: If it cannot be read or makes no sense. One line: file, field, what came, what is
            allowed.

    Example:
        >>> load_claim("biases_may_start_anywhere").arms["zeros"].network.bias_initializer
        'zeros'
    """
    values = values or Values()
    if isinstance(name, Path):
        where, source, stem = str(name), name, name.stem
    else:
        where, source, stem = f"claim {name}", _catalogue() / f"{name}.toml", name
    document = read_toml(_bytes(source, where), where)
    for field in document:
        if field not in _FIELDS:
            meant = suggest(field, _FIELDS)
            hint = f"did you mean {meant}?" if meant else f"a claim has {', '.join(_FIELDS)}"
            raise UsageError(f"{where}: {field} is no field of a claim; {hint}")
    folder = name.parent if isinstance(name, Path) else Path()
    arms = _arms(document, where, values, folder)
    follows: Literal["all", "any"] = "any" if document.get("follows") == "any" else "all"
    if document.get("follows", "all") not in ("all", "any"):
        raise UsageError(f"{where}: follows = {show(document['follows'])}: must be all or any")
    return Claim(
        name=stem,
        statement=_text(document, "statement", where),
        source=_text(document, "source", where),
        published=_text(document, "published", where, default=""),
        arms=arms,
        parts=_parts(document, where, arms),
        follows=follows,
        tune=_tune(document, where),
        file=where,
    )


def _arms(
    document: Mapping[str, object], where: str, values: Values, folder: Path
) -> dict[str, Recipe]:
    tables = document.get("arms")
    if not isinstance(tables, dict) or not tables:
        raise UsageError(f"{where}: has no arms; give at least one, such as [arms.plain]")
    return {name: _arm(name, table, where, values, folder) for name, table in tables.items()}


def _arm(name: str, table: object, where: str, *known: Any) -> Recipe:
    values, folder = known
    place = f"{where}: arms.{name}"
    if not isinstance(table, dict):
        raise UsageError(f"{place}: must be a table, such as [arms.{name}]")
    own = dict(table)
    extends = own.pop("extends", "plain")
    if not isinstance(extends, str):
        raise UsageError(f"{place}.extends = {show(extends)}: must name a rung or a .toml file")
    file = extends.lower().endswith(".toml")
    try:
        base = load_recipe(
            folder / extends if file else extends, preset=values.preset, settings=values.settings
        )
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from error
    return overlay(base, {"title": "", **own, "name": name, "extends": base.extends}, place)


def _parts(
    document: Mapping[str, object], where: str, arms: Mapping[str, Recipe]
) -> tuple[Part, ...]:
    tables = document.get("parts")
    if not isinstance(tables, list) or not tables:
        raise UsageError(f"{where}: has no parts; give at least one [[parts]] with a kind of rule")
    parts = []
    for number, table in enumerate(tables, 1):
        place = f"{where}: parts, number {number}"
        if not isinstance(table, dict):
            raise UsageError(f"{place}: must be a table; write [[parts]] above its fields")
        part = _part(table, place)
        for name in part.arms():
            if name not in arms:
                raise UsageError(f"{place}: no arm is called {name!r}; there are {', '.join(arms)}")
        parts.append(part)
    return tuple(parts)


def _part(table: dict[str, object], place: str) -> Part:
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        meant = suggest(kind, KINDS) if isinstance(kind, str) else None
        hint = f"did you mean {meant}?" if meant else f"there are {', '.join(KINDS)}"
        came = "is missing" if kind is None else f"= {show(kind)} is no kind of rule"
        raise UsageError(f"{place}: kind {came}; {hint}")
    try:
        return KINDS[kind].model_validate(table)
    except ValidationError as error:
        raise UsageError(f"{place}: {_explained(error, KINDS[kind])}") from None


def _explained(error: ValidationError, kind: type[Part]) -> str:
    """Says in a line which field of a part is wrong, and what it may be."""
    # A misspelt field is also one that is missing; the misspelling is what to mend.
    problem = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    field = str((*problem["loc"], "")[0])[:60]
    if problem["type"] == "extra_forbidden":
        meant = suggest(field, kind.model_fields)
        hint = f"did you mean {meant}?" if meant else f"it has {', '.join(kind.model_fields)}"
        return f"{field!r} is no field of this kind; {hint}"
    if problem["type"] == "recipe":
        about = problem.get("ctx", {})
        return f"{about['field']} = {about['came']}: {about['expected']}"
    if problem["type"] == "missing":
        return f"{field} is missing; give it"
    info = kind.model_fields.get(field)
    options = get_args(info.annotation) if info is not None else ()
    words = [str(option) for option in options if isinstance(option, str | int)]
    allowed = f"must be one of {', '.join(words)}" if words else problem["msg"].lower()
    return f"{field} = {show(problem['input'])}: {allowed}"


def _text(
    document: Mapping[str, object], field: str, where: str, *, default: str | None = None
) -> str:
    value = document.get(field, default)
    if value is None:
        raise UsageError(f"{where}: {field} is missing; give a sentence in quotes")
    if not (isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST):
        raise UsageError(
            f"{where}: {field} = {show(value)}: must be one line of at most {_LONGEST} characters"
        )
    return value


def _tune(document: Mapping[str, object], where: str) -> int:
    tune = document.get("tune", 0)
    if not (
        isinstance(tune, int) and not isinstance(tune, bool) and (tune == 0 or 2 <= tune <= 100)
    ):
        raise UsageError(
            f"{where}: tune = {show(tune)}: must be 0, or from 2 to 100 learning rates"
        )
    return tune


def _bytes(source: Traversable | Path, where: str) -> bytes:
    try:
        if isinstance(source, Path) and not stat.S_ISREG(source.stat().st_mode):
            raise UsageError(f"{where}: not a file; give the file of a claim")
        with source.open("rb") as stream:
            return stream.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise UsageError(f"{where}: no such file; check the path") from None
    except OSError as error:
        raise UsageError(f"{where}: cannot be read ({error.strerror}); check the path") from None


def _catalogue() -> Traversable:
    return files("denselab.study.claims") / "catalogue"
