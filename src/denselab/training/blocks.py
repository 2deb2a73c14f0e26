"""Blocks of rows, each with members of its own, trained as one population: the folds of a cross-validation."""

import dataclasses
import functools
import time
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from jaxtyping import Float32, Num

from denselab.components import SmoothedSparseCategoricalCrossentropy
from denselab.data import Task, standardization
from denselab.engine import Member, Predictor, claim_cores, train_population
from denselab.engine.member import own_randomness
from denselab.errors import UsageError
from denselab.recipes import Recipe
from denselab.training.network import build_network, compile_network
from denselab.training.run_options import rate_path, run_options

__all__ = ["Block", "BlockNetwork", "grain", "predict_members", "train_blocks"]

_PREDICTORS = 64
_NO_LABEL = ("name", "title", "extends")


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """Rows, and the members that train on them.

    Attributes:
        x: Features, shape (rows, features).
        y: Labels from 0, shape (rows,), or targets in standard units, shape (rows, 1).
        seeds: One a member.
        splits: Training and validation rows of each member; the latter may be none.
        class_weight: One factor a class, or None.
        initial_weights: What each member starts from, as the engine takes it; its own by its seed where None.
    """

    x: Float32[np.ndarray, "row feature"]
    y: Num[np.ndarray, "row ..."]
    seeds: Sequence[int]
    splits: Sequence[tuple[np.ndarray, np.ndarray]]
    class_weight: Sequence[float] | None = None
    initial_weights: Sequence[tuple[Sequence[Any], Sequence[Any]]] | None = None


class BlockNetwork(NamedTuple):
    """A recipe and the size of what it is to be trained on.

    Attributes:
        recipe: What to train.
        features: Number of features.
        outputs: Number of classes; 1 for a regression.
        task: What is predicted.
    """

    recipe: Recipe
    features: int
    outputs: int
    task: Task


class _Place(NamedTuple):
    """A member: its block, and its number there."""

    block: int
    number: int


def train_blocks(
    network: BlockNetwork, blocks: Sequence[Block], *, seconds: float | None = None
) -> list[list[Member]]:
    """Trains all members of all blocks side by side, those with equal numbers of rows in one compiled program.

    Every member ends with the bytes it would end with if its block were the only one. Compiled programs are kept
    in memory: a later training of the same recipe and shapes, whatever its learning rate, does not compile.

    Args:
        network: What to train.
        blocks: The rows and their members; all with the features of `network`.
        seconds: When members that still train are stopped, each after an epoch at least; None never stops them.

    Returns:
        The members of each block, in the order of its seeds.

    Raises:
        UsageError: If the recipe takes weights from another, or mixup meets a regression.
        KeyboardInterrupt: After Ctrl-C.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> short = load_recipe("plain", preset="tuned", settings=["network.depth=1", "training.epochs=2"])
        >>> x, y = np.zeros((4, 1), np.float32), np.array([0, 1, 0, 1], np.int32)
        >>> block = Block(x, y, seeds=[0, 1], splits=[(np.arange(3), np.arange(3, 4))] * 2)
        >>> (members,) = train_blocks(BlockNetwork(short, 1, 2, "classification"), [block])
        >>> [len(member.trace["loss"]) for member in members]
        [2, 2]
    """
    _check(network)
    claim_cores()
    groups: dict[Hashable, list[_Place]] = {}
    for number, block in enumerate(blocks):
        for member, (train, validation) in enumerate(block.splits):
            key = (len(train), len(validation), block.class_weight is None)
            groups.setdefault(key, []).append(_Place(number, member))
    until = None if seconds is None else time.monotonic() + seconds
    found: dict[_Place, Member] = {}
    for places in groups.values():
        found |= zip(places, _train(network, blocks, places, until=until), strict=True)
    return [
        [found[_Place(number, member)] for member in range(len(block.seeds))]
        for number, block in enumerate(blocks)
    ]


def grain(rows: int) -> int:
    """Gives the power of two that numbers of rows are rounded to, so that similar ones share a compiled program.

    Args:
        rows: Number of rows.

    Returns:
        1 for up to 199 rows; at most a hundredth of the rows.

    Example:
        >>> [grain(rows) for rows in (10, 199, 200, 1437, 1438)]
        [1, 1, 2, 8, 8]
    """
    return 1 << max(0, (rows // 100).bit_length() - 1)


def predict_members(
    network: BlockNetwork, members: Sequence[Member], x: Float32[np.ndarray, "row feature"]
) -> tuple[np.ndarray, np.ndarray]:
    """Predicts rows with each member, by the draws of the recipe.

    Args:
        network: What the members were trained as.
        members: The members.
        x: Features.

    Returns:
        Probabilities or values in standard units, shape (member, row, output), and their deviations over draws;
        all 0 where the recipe has one draw.
    """
    claim_cores()
    recipe = network.recipe
    plain = recipe.model_copy(
        update=dict.fromkeys(("title", "extends"), None) | {"name": "network"}
    )
    found = np.stack(_predictor(network._replace(recipe=plain))(members, x))
    if recipe.prediction.draws == 1:
        return found, np.zeros_like(found)
    return found[..., 0], found[..., 1]


def _train(
    network: BlockNetwork, blocks: Sequence[Block], places: Sequence[_Place], *, until: float | None
) -> Iterator[Member]:
    """Trains members whose training and validation parts have equal sizes."""
    recipe = network.recipe
    numbers = sorted({place.block for place in places})
    used = [blocks[number] for number in numbers]
    # Blocks that share their rows, as seeds of one fold do, have them once.
    arrays = {id(block.x): block for block in used}
    starts = np.cumsum([0, *(len(block.x) for block in arrays.values())])
    offsets = dict(zip(arrays, starts.tolist(), strict=False))
    splits, standardizations, weights = [], [], []
    for place in places:
        block = blocks[place.block]
        train, validation = block.splits[place.number]
        offset = offsets[id(block.x)]
        splits.append((train + offset, validation + offset))
        if recipe.preprocessing.scaling == "standard":
            standardizations.append(standardization(block.x, train))
        if block.initial_weights is not None:
            weights.append(block.initial_weights[place.number])
    population = train_population(
        functools.partial(_compiled, network, len(splits[0][0]), used[0].class_weight),
        _padded([block.x for block in arrays.values()]),
        _padded([block.y for block in arrays.values()]),
        seeds=[blocks[place.block].seeds[place.number] for place in places],
        splits=splits,
        standardizations=standardizations or None,
        initial_weights=weights or None,
        scalars=_scalars(network, [blocks[place.block] for place in places]),
        program_key=_program_key(network),
        on_epoch=None if until is None else lambda *_: time.monotonic() >= until,
        **run_options(recipe),
    )
    return iter(population)


def _padded(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Puts rows one below another, and zeros that nobody reads below them."""
    whole = np.concatenate(parts)
    missing = -len(whole) % grain(len(whole))
    return np.pad(whole, [(0, missing)] + [(0, 0)] * (whole.ndim - 1))


def _scalars(network: BlockNetwork, of_members: Sequence[Block]) -> dict[str, list[Any]]:
    """Lists what differs between members and trainings of one compiled program."""
    recipe = network.recipe
    found: dict[str, list[Any]] = {}
    if not _rate_is_fixed(recipe):
        found[rate_path(recipe)] = [recipe.optimizer.learning_rate] * len(of_members)
    if of_members[0].class_weight is not None:
        found["loss.class_weight"] = [block.class_weight for block in of_members]
    return found


def _rate_is_fixed(recipe: Recipe) -> bool:
    """Says whether the program holds figures that were made from the learning rate."""
    return recipe.schedule.kind == "reduce_on_plateau" or recipe.sparsity.method != "none"


def _program_key(network: BlockNetwork) -> Hashable:
    recipe = network.recipe
    labels: dict[str, Any] = dict.fromkeys(_NO_LABEL, "") | {"prediction": None}
    if not _rate_is_fixed(recipe):
        labels["optimizer"] = recipe.optimizer.model_copy(update={"learning_rate": 0.0})
    return ("recipe", repr(recipe.model_copy(update=labels)), *network[1:])


def _compiled(
    network: BlockNetwork, train_rows: int, class_weight: Sequence[float] | None
) -> keras.Model:
    recipe, task = network.recipe, network.task
    model = build_network(
        recipe,
        features=network.features,
        classes=network.outputs,
        training=True,
        train_rows=train_rows,
    )
    compile_network(model, recipe, train_rows=train_rows, task=task)
    if class_weight is not None:
        loss = SmoothedSparseCategoricalCrossentropy(
            recipe.training.label_smoothing, class_weight=class_weight, from_logits=True
        )
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        model.compile(optimizer=model.optimizer, loss=loss, metrics=[accuracy])
    return model


@functools.lru_cache(maxsize=_PREDICTORS)
def _predictor(network: BlockNetwork) -> Predictor:
    recipe, draws = network.recipe, network.recipe.prediction.draws
    if draws > 1:
        dropout = recipe.network.dropout.model_copy(update={"monte_carlo": True})
        inner = recipe.network.model_copy(update={"dropout": dropout})
        recipe = recipe.model_copy(update={"network": inner})
    with own_randomness(0):
        model = build_network(recipe, features=network.features, classes=network.outputs)
    return Predictor(model, draws=draws, values=network.task == "regression", spread=draws > 1)


def _check(network: BlockNetwork) -> None:
    recipe = network.recipe
    if recipe.source is not None:
        raise UsageError(
            f"recipe {recipe.name} takes its weights from {recipe.source}; set weights_from and starts_from to none"
        )
    if network.task == "regression" and recipe.training.mixup:
        raise UsageError(
            f"recipe {recipe.name} has training.mixup = {recipe.training.mixup:g}, which keeps the label of one of two "
            "rows and makes no sense of a quantity; set it to 0"
        )
