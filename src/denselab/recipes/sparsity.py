"""The sparsity of a recipe: which way to zeros, how many, and when."""

from typing import Literal, Self

from pydantic import Field, model_validator

from denselab.recipes.table import Choice, Table, problem

__all__ = ["Sparsity"]


class Sparsity(Table):
    """How the weights of Dense layers become zeros while they train."""

    choices = (
        Choice(
            "method",
            {
                "magnitude": frozenset({"share", "scope", "end"}),
                "gradual": frozenset({"share", "scope", "begin", "end", "prunings"}),
                "l1": frozenset({"share", "scope", "end", "strength"}),
                "structured": frozenset({"share"}),
            },
        ),
    )

    method: Literal["none", "magnitude", "gradual", "l1", "structured"] = Field(
        default="none",
        description="magnitude: the smallest weights become zero at once; gradual: in several steps; l1: an "
        "exact l1 penalty makes zeros; structured: the weights of starts_from without their least units.",
    )
    share: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="Share of the weights that are zero in the end; structured: that are gone.",
    )
    scope: Literal["layer", "global"] = Field(
        default="layer",
        description="layer: the same share of every layer; global: of all layers together.",
    )
    begin: float = Field(
        default=0.2, ge=0, lt=1, description="gradual: share of the steps before the first pruning."
    )
    end: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="Share of the steps after which the zeros are fixed and the rest is tuned.",
    )
    prunings: int = Field(
        default=20, ge=1, le=10_000, description="gradual: prunings between begin and end."
    )
    strength: float = Field(
        default=0.06,
        ge=0,
        le=1e6,
        description="l1: how much the penalty takes off every weight, all steps up to end together, at the "
        "highest learning rate.",
    )

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.method == "gradual" and self.begin >= self.end:
            raise problem(self, "begin", f"must be below end = {self.end}; lower it")
        return self
