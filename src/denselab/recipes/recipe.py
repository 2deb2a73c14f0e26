"""What a recipe is: frozen, checked data that says what to train and how to predict with it."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.fields import FieldInfo

from denselab.recipes.network import Network
from denselab.recipes.sparsity import Sparsity
from denselab.recipes.table import NONE, Choice, Table, problem

__all__ = [
    "Optimizer",
    "Prediction",
    "Preprocessing",
    "Recipe",
    "Schedule",
    "Training",
    "fields",
]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""A recipe's name becomes a file's name, so it holds nothing that a path could trip over."""

_MOST = 1_000_000_000
"""Upper bound of counts that have no bound of their own; keeps nonsense out of int64 arithmetic."""


class Preprocessing(Table):
    """What happens to the data before the network sees it."""

    scaling: Literal["none", "standard"] = Field(
        default="none",
        description="standard: every feature to mean 0 and deviation 1 over the training rows.",
    )


_MOMENTS = frozenset({"beta_1", "beta_2"})
_ADAM = _MOMENTS | {"epsilon"}


class Optimizer(Table):
    """The optimizer and its settings; a setting of "none" is left at Keras' default."""

    choices = (
        Choice(
            "name",
            {
                "sgd": frozenset({"momentum", "nesterov"}),
                "rmsprop": frozenset({"momentum", "epsilon"}),
                "adam": _ADAM,
                "adamw": _ADAM,
                "nadam": _ADAM,
                "lion": _MOMENTS,
                "adagrad": frozenset({"epsilon"}),
            },
        ),
    )

    name: Literal["sgd", "rmsprop", "adam", "adamw", "nadam", "lion", "adagrad"] = Field(
        default="nadam", description="Name of the optimizer."
    )
    learning_rate: float = Field(
        default=5e-5, gt=0, description="Learning rate; with a schedule, its highest value."
    )
    momentum: float = Field(default=0.0, ge=0, lt=1, description="Momentum of sgd and rmsprop.")
    nesterov: bool = Field(default=False, description="Whether the momentum of sgd is Nesterov's.")
    weight_decay: Annotated[float | None, NONE] = Field(
        default=None,
        ge=0,
        description="Decoupled weight decay; none is 0.004 with adamw, else off.",
    )
    beta_1: Annotated[float | None, NONE] = Field(
        default=None, ge=0, lt=1, description="Decay of the first moment; none is Keras' default."
    )
    beta_2: Annotated[float | None, NONE] = Field(
        default=None, ge=0, lt=1, description="Decay of the second moment; none is Keras' default."
    )
    epsilon: Annotated[float | None, NONE] = Field(
        default=None, gt=0, description="Guard against division by zero; none is Keras' default."
    )
    clipnorm: Annotated[float | None, NONE] = Field(
        default=None,
        gt=0,
        description="Largest norm of the gradient of one variable; none: no limit.",
    )

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise problem(self, "nesterov", "needs a momentum; set momentum above 0, such as 0.9")
        return self


class Schedule(Table):
    """How the learning rate changes; every factor is a share of `optimizer.learning_rate`."""

    choices = (
        Choice(
            "kind",
            {
                "exponential": frozenset({"end_factor"}),
                "cosine": frozenset({"end_factor", "warmup_fraction"}),
                "one_cycle": frozenset(
                    {
                        "warmup_fraction",
                        "annealing",
                        "start_factor",
                        "final_factor",
                        "low_momentum",
                        "high_momentum",
                    }
                ),
                "reduce_on_plateau": frozenset({"factor", "patience", "minimum_factor"}),
            },
        ),
    )

    kind: Literal["constant", "exponential", "cosine", "one_cycle", "reduce_on_plateau"] = Field(
        default="constant", description="Shape of the schedule over the steps of the training."
    )
    end_factor: float = Field(
        default=0.01, ge=0, le=1, description="exponential, cosine: where the last step ends."
    )
    warmup_fraction: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the steps that climb; cosine: linearly from 0; one_cycle: to the peak, "
        "followed by one fall to the end, where 0 stands for its three phases.",
    )
    annealing: Literal["linear", "cosine"] = Field(
        default="linear",
        description="one_cycle: each phase a straight line, or half a cosine wave.",
    )
    start_factor: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="one_cycle: where it starts, and where the second of three phases comes back to.",
    )
    final_factor: float = Field(
        default=1e-4, gt=0, le=1, description="one_cycle: where the last step ends."
    )
    low_momentum: Annotated[float | None, NONE] = Field(
        default=None,
        ge=0,
        lt=1,
        description="one_cycle: momentum at the peak; none keeps it constant.",
    )
    high_momentum: Annotated[float | None, NONE] = Field(
        default=None,
        ge=0,
        lt=1,
        description="one_cycle: momentum at start and end; none: constant.",
    )
    factor: float = Field(
        default=0.5, gt=0, lt=1, description="reduce_on_plateau: what the rate is multiplied by."
    )
    patience: int = Field(
        default=5,
        ge=1,
        le=_MOST,
        description="reduce_on_plateau: epochs without a better loss before it acts.",
    )
    minimum_factor: float = Field(
        default=1e-3, ge=0, le=1, description="reduce_on_plateau: the rate never falls below this."
    )

    @model_validator(mode="after")
    def _ends_make_sense(self) -> Self:
        if self.kind == "exponential" and self.end_factor == 0:
            raise problem(
                self, "end_factor", "must be above 0 with exponential, which never reaches 0"
            )
        low, high = self.low_momentum, self.high_momentum
        if (low is None) != (high is None):
            missing, given = ("low", "high") if low is None else ("high", "low")
            raise problem(
                self,
                f"{given}_momentum",
                f"needs {missing}_momentum beside it; set both or neither",
            )
        if low is not None and high is not None and low > high:
            raise problem(self, "low_momentum", f"must not be above high_momentum = {high}")
        return self


class Training(Table):
    """How long to train, on which rows, in which batches."""

    batch_size: int = Field(default=32, ge=1, le=_MOST, description="Rows of one step.")
    epochs: int = Field(
        default=50, ge=1, le=_MOST, description="Most passes over the training rows."
    )
    early_stopping: bool = Field(
        default=True, description="Whether to stop when the validation loss no longer falls."
    )
    patience: int = Field(
        default=10,
        ge=1,
        le=_MOST,
        description="Epochs without a better loss before early stopping.",
    )
    restore_best: bool = Field(
        default=True,
        description="Whether to keep the weights of lowest validation loss instead of the last.",
    )
    validation_fraction: float = Field(
        default=0.33, gt=0, lt=1, description="Share of the training rows held out for validation."
    )
    stratified: bool = Field(
        default=False,
        description="Whether the held-out rows have the classes in the same proportions.",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the target spread evenly over the classes."
    )
    mixup: float = Field(
        default=0.0,
        ge=0,
        le=_MOST,
        description="Strength alpha of mixup, which trains on mixtures of two rows; 0: off.",
    )
    ema: Annotated[float | None, NONE] = Field(
        default=None,
        gt=0,
        lt=1,
        description="Decay, a step, of the exponential average of the weights that the training "
        "ends with, such as 0.99; none: it ends with the last weights.",
    )
    swa_start: Annotated[float | None, NONE] = Field(
        default=None,
        ge=0,
        lt=1,
        description="Share of the epochs after which the weights of each are averaged, such as "
        "0.75, for the training to end with; none: off.",
    )

    @model_validator(mode="after")
    def _ends_with_one_kind_of_weights(self) -> Self:
        averages = [name for name in ("ema", "swa_start") if getattr(self, name) is not None]
        if len(averages) == 2:
            raise problem(self, "swa_start", "stands beside ema, which averages too; set one")
        if averages and self.restore_best:
            raise problem(
                self,
                averages[0],
                "needs restore_best = false; the weights of the best epoch would replace the average",
            )
        if self.swa_start is not None and self.early_stopping:
            raise problem(
                self,
                "swa_start",
                "needs early_stopping = false; training might stop before the average begins",
            )
        return self


class Prediction(Table):
    """How a trained network predicts."""

    draws: int = Field(
        default=1,
        ge=1,
        le=_MOST,
        description="1: one ordinary pass; more: the mean of as many passes with dropout active.",
    )


class Recipe(Table):
    """Everything that says what to train, as frozen data.

    Without arguments but the name it is the published `plain` rung. Recipes are usually read by
    `load_recipe`, whose errors name file and field; building one directly raises pydantic's
    `ValidationError`.

    Example:
        >>> recipe = Recipe(name="shallow", network=Network(depth=3))
        >>> recipe.network.depth, recipe.network.width
        (3, 100)
    """

    name: str = Field(
        pattern=_NAME, description="Name: letters, digits, '_', '-' and '.', at most 64."
    )
    title: str = Field(default="", max_length=200, description="What it is, in one line.")
    extends: str | None = Field(
        default=None, description="The recipe this one was written as a difference from."
    )
    weights_from: Annotated[str | None, NONE] = Field(
        default=None,
        pattern=_NAME,
        description="Name of the recipe whose trained weights are shared; nothing is trained.",
    )
    starts_from: Annotated[str | None, NONE] = Field(
        default=None,
        pattern=_NAME,
        description="Name of the recipe whose trained weights the training starts from, seed by seed.",
    )
    network: Network = Field(default=Network(), description="The network.")
    preprocessing: Preprocessing = Field(
        default=Preprocessing(), description="What happens to the data first."
    )
    optimizer: Optimizer = Field(default=Optimizer(), description="The optimizer.")
    schedule: Schedule = Field(default=Schedule(), description="How the learning rate changes.")
    training: Training = Field(default=Training(), description="How long, and on which rows.")
    sparsity: Sparsity = Field(default=Sparsity(), description="How it becomes sparse.")
    prediction: Prediction = Field(default=Prediction(), description="How it predicts.")

    @property
    def source(self) -> str | None:
        """Name of the recipe that must be trained before this one, if any."""
        return self.weights_from or self.starts_from

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if not self.title.isprintable():
            raise problem(self, "title", "must be one line without control characters")
        for field in ("weights_from", "starts_from"):
            if getattr(self, field) == self.name:
                raise problem(self, field, "must name another recipe than itself")
        if self.weights_from is not None and self.starts_from is not None:
            raise problem(
                self, "starts_from", "stands beside weights_from, which trains nothing; set one"
            )
        if self.prediction.draws > 1 and self.network.dropout.kind == "none":
            raise problem(
                self,
                "prediction.draws",
                "needs dropout to draw from; set network.dropout.kind, or 1",
            )
        if self.prediction.draws > 1 and self.network.dropout.fading:
            raise problem(
                self,
                "prediction.draws",
                "needs dropout at the end, too; set network.dropout.fading to false, or 1",
            )
        if self.schedule.low_momentum is not None and self.optimizer.name != "sgd":
            raise problem(
                self,
                "schedule.low_momentum",
                f"needs optimizer.name = sgd, not {self.optimizer.name}; only sgd cycles momentum",
            )
        return self

    @model_validator(mode="after")
    def _ends_sparse(self) -> Self:
        method, training = self.sparsity.method, self.training
        if method == "none":
            return self
        if self.weights_from is not None:
            raise problem(self, "sparsity.method", "needs a training; set weights_from to none")
        if method == "structured":
            if self.starts_from is None:
                raise problem(self, "sparsity.method", "needs starts_from, whose units it takes")
            return self
        if training.early_stopping or training.restore_best or training.swa_start is not None:
            raise problem(
                self,
                "sparsity.method",
                "needs training.early_stopping = false, restore_best = false and no swa_start; it would end with "
                "weights from before the zeros",
            )
        return self


def fields() -> dict[str, FieldInfo]:
    """Lists every field of a recipe, tables included, by its dotted path.

    Returns:
        Path -> pydantic's record of the field: type, default, description.

    Example:
        >>> fields()["network.dropout.rate"].description
        'Share of the units dropped, below 1.'
    """
    return dict(_walk(Recipe, ""))


def _walk(table: type[Table], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in table.model_fields.items():
        yield prefix + name, field
        if isinstance(field.annotation, type) and issubclass(field.annotation, Table):
            yield from _walk(field.annotation, f"{prefix}{name}.")
