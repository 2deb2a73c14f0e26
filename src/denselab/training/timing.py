"""Solo times: one network at a time on one core, rounds interleaved, compiling apart."""

import functools
import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import keras
import numpy as np

from denselab.data import Dataset, split, standardization
from denselab.engine import claim_cores
from denselab.engine.member import build_member
from denselab.engine.narrow import compile_segment
from denselab.engine.platform import compiler_options, devices
from denselab.engine.program import Program
from denselab.engine.rows import shared_arrays
from denselab.engine.scalars import initial_state
from denselab.engine.state import Constants, Run
from denselab.randomness import key_data
from denselab.recipes import Recipe
from denselab.training.network import build_network, compile_network
from denselab.uncertainty import predict_draws

__all__ = [
    "draw_seconds",
    "epoch_seconds",
    "interleaved",
    "prediction_program",
    "prediction_seconds",
]

_CALLS, _EPOCHS = 10, 3


def interleaved(
    tasks: Mapping[str, Callable[[], object]], *, rounds: int, calls: int = 1
) -> dict[str, list[float]]:
    """Times tasks in turn, every second round the other way about, so that drifts hit all alike.

    Args:
        tasks: Name -> what to do.
        rounds: How often each is timed; each is done once before, untimed.
        calls: Each time is the least of so many calls, which other work on the machine disturbs least.

    Returns:
        Name -> seconds of one call, one value a round.

    Example:
        >>> sorted(interleaved({"a": list, "b": dict}, rounds=2))
        ['a', 'b']
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for number in range(rounds):
        order = list(tasks) if number % 2 == 0 else list(tasks)[::-1]
        for name in order:
            seconds[name].append(min(_timed(tasks[name]) for _ in range(calls)))
    return seconds


def epoch_seconds(
    recipes: Sequence[Recipe],
    dataset: Dataset,
    *,
    rounds: int,
    calls: int = _EPOCHS,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Times one epoch of training of each recipe, validation included.

    Args:
        recipes: The recipes, of different names.
        dataset: The data.
        rounds: How often each is timed.
        calls: Each time is that of the quickest of so many epochs.
        seed: Seed of the networks.

    Returns:
        Name -> seconds, one a round.
    """
    claim_cores()
    epochs = calls * rounds + 1
    tasks = {recipe.name: _epoch(recipe, dataset, epochs, seed) for recipe in recipes}
    return interleaved(tasks, rounds=rounds, calls=calls)


def prediction_seconds(
    recipes: Sequence[Recipe], dataset: Dataset, *, rounds: int
) -> dict[str, list[float]]:
    """Times one prediction of all test rows by each recipe's network, dropout at rest or in draws.

    Args:
        recipes: The recipes, of different names; one that asks for several draws is timed with them.
        dataset: The data, with test rows.
        rounds: How often each is timed; each time is the least of ten calls.

    Returns:
        Name -> seconds, one a round.
    """
    claim_cores()
    tasks: dict[str, Callable[[], object]] = {}
    for recipe in recipes:
        function, given = _prediction(recipe, dataset)
        compiled = jax.jit(function, compiler_options=compiler_options())
        tasks[recipe.name] = functools.partial(_done, compiled, given)
        if recipe.prediction.draws > 1:
            tasks[recipe.name] = _draws(recipe, dataset, given[2], recipe.prediction.draws)
    return interleaved(tasks, rounds=rounds, calls=_CALLS)


def draw_seconds(
    recipe: Recipe, dataset: Dataset, *, draws: int, rounds: int
) -> dict[str, list[float]]:
    """Times one pass, draws in a plain loop over the whole network, and draws by `predict_draws`.

    Args:
        recipe: A recipe with dropout.
        dataset: The data, with test rows.
        draws: Number of draws.
        rounds: How often each is timed.

    Returns:
        "once", "loop" and "compiled" -> seconds, one a round.
    """
    claim_cores()
    function, given = _prediction(recipe, dataset)
    network = _resting(recipe, dataset)
    once = jax.jit(function, compiler_options=compiler_options())
    drawn = jax.jit(_drawing(network), compiler_options=compiler_options())

    def loop() -> None:
        trainable, state, x = given
        total = 0.0
        for _ in range(draws):
            probabilities, state = drawn(trainable, state, x)
            total = total + probabilities
        jax.block_until_ready(total)

    tasks: dict[str, Callable[[], object]] = {
        "once": functools.partial(_done, once, given),
        "loop": loop,
        "compiled": _draws(recipe, dataset, given[2], draws),
    }
    return interleaved(tasks, rounds=rounds)


def prediction_program(recipe: Recipe, dataset: Dataset) -> str:
    """Gives the digest of the program that a recipe's network predicts with.

    Args:
        recipe: The recipe.
        dataset: The data, with test rows.

    Returns:
        Hexadecimal digits, the same for the same operations on the same shapes, whatever they are called.
    """
    function, given = _prediction(recipe, dataset)
    text = jax.jit(function).lower(*given).as_text()
    return hashlib.sha256(re.sub(r"module @\S+", "module", text).encode()).hexdigest()[:16]


def _epoch(recipe: Recipe, dataset: Dataset, epochs: int, seed: int) -> Callable[[], object]:
    """Compiles a recipe's training of so many epochs or more, and gives what trains one of them."""
    x = dataset.x.reshape(dataset.n, -1)
    training = recipe.training
    train, validation = split(
        dataset.y,
        seed=seed,
        fraction=training.validation_fraction,
        stratified=training.stratified,
        task=dataset.task,
    )
    standard = recipe.preprocessing.scaling == "standard"

    def build() -> keras.Model:
        network = _network(recipe, dataset, train_rows=len(train))
        return compile_network(network, recipe, train_rows=len(train), task=dataset.task)

    # So long that schedules go on, and without patience, so that no round finds it stopped.
    run = Run(epochs=max(training.epochs, epochs + 1), batch_size=training.batch_size)
    shared = shared_arrays(x, dataset.y)
    example = jax.tree.map(lambda a: a[:1], tuple(shared))
    model = build_member(build, seed, example)
    program = Program(model, run, len(train), len(validation))
    state = program.start(initial_state(model, {})[0])
    constants = Constants(
        order_key=key_data(seed, "order"),
        train_rows=train,
        validation_rows=validation,
        standardization=standardization(x, train) if standard else None,
        scalars={},
    )
    device = devices(1)[0]
    executable = compile_segment(program, (state, constants), shared, [device])[0]
    state, constants, shared = jax.device_put((state, constants, shared), device)
    steps = np.int32(max(-(-len(train) // training.batch_size), program.full_steps + 1))

    def train_one() -> None:
        nonlocal state
        state = executable.segment(state, constants, shared, steps)
        jax.block_until_ready(state)

    return train_one


def _prediction(recipe: Recipe, dataset: Dataset) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    network: Any = _resting(recipe, dataset)
    trainable = [variable.value for variable in network.trainable_variables]
    state = [variable.value for variable in network.non_trainable_variables]
    assert dataset.test_x is not None
    x = dataset.test_x.reshape(len(dataset.test_x), -1).astype(np.float32)

    def predict(trainable: Any, state: Any, x: Any) -> Any:
        logits, _ = network.stateless_call(trainable, state, x, training=False)
        return jax.nn.softmax(logits)

    return predict, (trainable, state, jax.numpy.asarray(x))


def _draws(recipe: Recipe, dataset: Dataset, rows: Any, draws: int) -> Callable[[], object]:
    network: Any = _resting(recipe, dataset)
    classifier = keras.Sequential([keras.Input(rows.shape[1:]), network, keras.layers.Softmax()])
    return lambda: predict_draws(classifier, np.asarray(rows), draws=draws)


def _drawing(network: Any) -> Callable[..., Any]:
    def draw(trainable: Any, state: Any, x: Any) -> Any:
        logits, state = network.stateless_call(trainable, state, x, training=True)
        return jax.nn.softmax(logits), state

    return draw


def _resting(recipe: Recipe, dataset: Dataset) -> keras.Model:
    """Builds a network whose dropout is at rest in prediction."""
    dropout = recipe.network.dropout.model_copy(update={"monte_carlo": False})
    network = recipe.network.model_copy(update={"dropout": dropout})
    return _network(recipe.model_copy(update={"network": network}), dataset)


def _network(recipe: Recipe, dataset: Dataset, train_rows: int = 1) -> keras.Model:
    features, classes = dataset.features, dataset.classes or 1
    return build_network(recipe, features=features, classes=classes, train_rows=train_rows)


def _done(function: Callable[..., Any], given: tuple[Any, ...]) -> None:
    jax.block_until_ready(function(*given))


def _timed(task: Callable[[], object]) -> float:
    began = time.perf_counter()
    task()
    return time.perf_counter() - began
