"""What the tables of a recipe have in common: frozen, strict, wary of options that do nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from denselab.recipes.toml import show

__all__ = ["NONE", "Choice", "Table", "problem"]


def _read_none(value: object) -> object:
    """Reads the word "none" as None, which TOML cannot write."""
    return None if value == "none" else value


NONE = BeforeValidator(_read_none)
"""Marks a field that the word "none" sets to None."""


@dataclass(frozen=True)
class Choice:
    """A field whose value decides which other fields of its table mean anything.

    Attributes:
        selector: The deciding field, such as an optimizer's name.
        options: Value of the selector -> the fields that only it (and others that list them) has.
    """

    selector: str
    options: Mapping[str, frozenset[str]]

    def foreign(self, value: str) -> frozenset[str]:
        """Lists the options that mean nothing when the selector has this value."""
        return frozenset().union(*self.options.values()) - self.options.get(value, frozenset())

    def owners(self, option: str) -> tuple[str, ...]:
        """Lists the values of the selector that have this option."""
        return tuple(value for value, options in self.options.items() if option in options)


class Table(BaseModel):
    """One table of a recipe: frozen, strict about types, closed to unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    choices: ClassVar[tuple[Choice, ...]] = ()
    """The fields of this table that decide about others."""

    def foreign(self) -> frozenset[str]:
        """Lists the fields that mean nothing with the choices made."""
        return frozenset().union(*(c.foreign(getattr(self, c.selector)) for c in self.choices))

    @model_validator(mode="after")
    def _options_belong(self) -> Self:
        for choice in self.choices:
            chosen = getattr(self, choice.selector)
            for option in sorted(choice.foreign(chosen)):
                default = type(self).model_fields[option].default
                if getattr(self, option) != default:
                    owners = " or ".join(choice.owners(option))
                    raise problem(
                        self,
                        option,
                        f"means nothing when {choice.selector} is {chosen}; "
                        f"remove it or set {choice.selector} to {owners}",
                    )
        return self


def problem(table: Table, field: str, expected: str) -> PydanticCustomError:
    """Makes the error of a field that does not fit the others.

    Args:
        table: The table that holds the field, directly or in one of its tables.
        field: Dotted path of the field from there.
        expected: What it must be and how to mend it.

    Returns:
        The error, to be raised by a validator.

    Example:
        >>> problem(Table(), "rate", "must be above 0").message()
        'must be above 0'
    """
    came: object = table
    for part in field.split("."):
        came = getattr(came, part, None)
    context = {"field": field, "came": show(came), "expected": expected}
    return PydanticCustomError("recipe", "{expected}", context)
