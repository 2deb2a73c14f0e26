"""The network of a recipe: equal hidden layers, and what stands between them."""

from typing import Literal, Self

from pydantic import Field, model_validator

from denselab.recipes.table import Choice, Table, problem

__all__ = ["Dropout", "Network"]


class Dropout(Table):
    """Which units are dropped, how many of them, and when."""

    choices = (
        Choice(
            "kind",
            {
                "dropout": frozenset({"rate", "where", "monte_carlo", "fading"}),
                "alpha_dropout": frozenset({"rate", "where", "monte_carlo"}),
                "gaussian_dropout": frozenset({"rate", "where"}),
            },
        ),
    )

    kind: Literal["none", "dropout", "alpha_dropout", "gaussian_dropout"] = Field(
        default="none",
        description="Kind of dropout; alpha_dropout keeps the mean and deviation of SELU.",
    )
    rate: float = Field(default=0.0, ge=0, lt=1, description="Share of the units dropped, below 1.")
    where: Literal["input", "every", "output"] = Field(
        default="every",
        description="input: before the first Dense; every: after each hidden activation; "
        "output: once, before the output layer.",
    )
    monte_carlo: bool = Field(
        default=False, description="Whether dropout stays active in validation and prediction."
    )
    fading: bool = Field(
        default=False,
        description="Whether the rate falls to 0 over the second half of the training.",
    )

    @model_validator(mode="after")
    def _drops_something(self) -> Self:
        if self.kind != "none" and self.rate == 0:
            raise problem(
                self, "rate", f"must be above 0 with {self.kind}; set it, or set kind to none"
            )
        if self.fading and self.monte_carlo:
            raise problem(
                self, "fading", "leaves no dropout to predict with; set it or monte_carlo to false"
            )
        return self


class Network(Table):
    """A stack of equal hidden layers: Dense, normalization, activation, dropout."""

    choices = (
        Choice("kernel_initializer", {"constant": frozenset({"kernel_value"})}),
        Choice("bias_initializer", {"constant": frozenset({"bias_value"})}),
        Choice(
            "normalization",
            dict.fromkeys(("batch", "layer", "rms"), frozenset({"normalize_input"})),
        ),
    )

    depth: int = Field(default=20, ge=1, le=1000, description="Number of hidden layers.")
    width: int = Field(default=100, ge=1, le=100_000, description="Units of every hidden layer.")
    activation: Literal[
        "selu",
        "elu",
        "leaky_relu",
        "rrelu",
        "prelu",
        "relu",
        "gelu",
        "silu",
        "mish",
        "tanh",
        "sigmoid",
        "linear",
    ] = Field(default="elu", description="Activation of the hidden layers.")
    parametric: bool = Field(
        default=False,
        description="Whether every hidden unit learns how strong its activation is, from linear to full.",
    )
    kernel_initializer: Literal[
        "he_normal",
        "he_uniform",
        "lecun_normal",
        "lecun_uniform",
        "glorot_normal",
        "glorot_uniform",
        "orthogonal",
        "constant",
        "symmetric",
    ] = Field(
        default="he_normal",
        description="First kernels of the hidden layers; symmetric gives all units of a layer the "
        "same weights, to be seen failing.",
    )
    kernel_value: float = Field(
        default=0.0, description="Value of every weight of a constant kernel."
    )
    bias_initializer: Literal["zeros", "constant", "fan_in_uniform"] = Field(
        default="zeros",
        description="First biases; fan_in_uniform draws from ±1/sqrt(fan-in), as PyTorch does.",
    )
    bias_value: float = Field(default=0.0, description="Value of every constant bias.")
    hidden_bias: bool = Field(
        default=True,
        description="Whether hidden layers have biases; useless before BatchNormalization.",
    )
    normalization: Literal["none", "batch", "layer", "rms"] = Field(
        default="none", description="Normalization between every hidden Dense and its activation."
    )
    normalize_input: bool = Field(
        default=False,
        description="Whether the input passes a normalization of the same kind first.",
    )
    embedding: Literal["none", "scale", "periodic"] = Field(
        default="none",
        description="scale: every input feature has a learned factor; periodic: it also becomes four "
        "numbers, three of them learned waves.",
    )
    residual: bool = Field(
        default=False,
        description="Whether a hidden layer's input is added to its output, from the second on.",
    )
    dropout: Dropout = Field(default=Dropout(), description="Dropout of the network.")
    l1: float = Field(
        default=0.0, ge=0, description="Factor of the L1 penalty on the hidden kernels."
    )

    @model_validator(mode="after")
    def _has_something_to_learn(self) -> Self:
        if self.parametric and self.activation in ("prelu", "rrelu", "linear"):
            raise problem(
                self,
                "parametric",
                f"means nothing with {self.activation}; set it to false, or the activation to another",
            )
        return self
