"""Pruning under the engine is pruning under `fit`, and a population takes every share and strength at once."""

import keras
import numpy as np
import pytest

from denselab.engine import narrow, train_population
from denselab.engine.member import build_member
from denselab.engine.program import Program
from denselab.engine.state import Constants, Run
from denselab.randomness import key_data
from denselab.sparsity import (
    GradualPruning,
    KeepZeros,
    ProximalL1,
    magnitude_masks,
    pruned_optimizer,
    sparsity_of,
)
from denselab.sparsity.masks import zero_count

EPOCHS = 4  # of 7 steps each: 28 in all
RULES = {
    "gradual": GradualPruning(0.8, begin=2, end=18, frequency=4),
    "gradual, global": GradualPruning(0.8, begin=2, end=18, frequency=4, scope="global"),
    "l1": ProximalL1(0.3, 0.7, end=15),
}


def network(rule):
    def build():
        model = keras.Sequential(
            [
                keras.Input((6,)),
                keras.layers.Dense(16, activation="elu", kernel_initializer="he_normal"),
                keras.layers.Dense(16, activation="elu", kernel_initializer="he_normal"),
                keras.layers.Dense(3),
            ]
        )
        model.compile(
            optimizer=pruned_optimizer(keras.optimizers.Nadam(1e-2), rule, model),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        return model

    return build


def fitted(build, x, y):
    """What `fit` makes of the member: same start, same batches."""
    model = build_member(build, 3, (x[:1], y[:1]))
    rows = np.arange(len(x), dtype=np.int32)
    program = Program(model, Run(), len(x), 0)
    constants = Constants(key_data(3, "order"), rows, None, None, {})

    def batches():
        for epoch in range(EPOCHS):
            order = np.asarray(program.order(constants, np.int32(epoch)))
            for start in range(0, len(order), 32):
                yield x[order[start : start + 32]], y[order[start : start + 32]]

    model.fit(batches(), epochs=EPOCHS, steps_per_epoch=-(-len(x) // 32), verbose=0, shuffle=False)
    return model


def zeros(population, place):
    return list(sparsity_of(population.model(place)).zeros.values())


@pytest.mark.parametrize("name", RULES)
def test_pruned_weights_are_those_of_fit(name, data, monkeypatch):
    monkeypatch.setattr(narrow, "compiler_options", dict)
    x, y = data
    build = network(RULES[name])
    (member,) = train_population(build, x, y, seeds=[3], epochs=EPOCHS)
    model = fitted(build, x, y)
    for ours, theirs in zip(member.trainable, model.trainable_weights, strict=True):
        theirs = np.asarray(theirs.value)
        np.testing.assert_array_equal(ours == 0, theirs == 0)
        np.testing.assert_allclose(ours, theirs, atol=1e-6, rtol=1e-6)
    share = RULES[name].sparsity
    sizes = sparsity_of(model).sizes
    counted = sparsity_of(model).zeros
    if RULES[name].scope == "layer":
        assert counted == {layer: zero_count(share, size) for layer, size in sizes.items()}
    else:
        assert sum(counted.values()) == zero_count(share, sum(sizes.values()))


@pytest.mark.parametrize("layout", ["narrow", "wide"])
def test_one_population_takes_every_share_and_compiles_once(layout, data, monkeypatch):
    compiled = []
    compile_segment = narrow.compile_segment
    monkeypatch.setattr(
        "denselab.engine.population.compile_segment",
        lambda *arguments, **options: compiled.append(1) or compile_segment(*arguments, **options),
    )
    x, y = data
    shares = [0.0, 0.5, 0.9, 0.95]
    population = train_population(
        network(RULES["gradual"]),
        x,
        y,
        seeds=[3, 3, 4, 3],
        epochs=EPOCHS,
        scalars={"optimizer.sparsity": shares, "optimizer.learning_rate": [1e-2] * 4},
        layout=layout,
    )
    for place, share in enumerate(shares):
        assert zeros(population, place) == [zero_count(share, n) for n in (96, 256, 48)]
    assert len(compiled) == (layout == "narrow")


def test_one_population_walks_a_path_of_strengths_and_tunes_what_is_left(data):
    x, y = data
    strengths = [0.0, 1.0, 5.0]
    path = train_population(
        network(ProximalL1(0.0)),
        x,
        y,
        seeds=[3] * 3,
        epochs=EPOCHS,
        scalars={"optimizer.strength": strengths},
    )
    found = [sum(zeros(path, place)) for place in range(3)]
    assert found[0] == 0 < found[1] < found[2]
    # What is left of a point is tuned with its zeros, from weights that the engine puts in place.
    models = [path.model(place) for place in (1, 2)]
    masks = [list(magnitude_masks(model, 0.9).values()) for model in models]
    weights = []
    for place, chosen in zip((1, 2), masks, strict=True):
        member = path[place]
        kernels = iter(chosen)
        weights.append(
            (
                [w * next(kernels) if w.ndim == 2 else w for w in member.trainable],
                member.non_trainable,
            )
        )
    tuned = train_population(
        network(KeepZeros()), x, y, seeds=[3, 3], epochs=1, initial_weights=weights
    )
    for place, chosen in enumerate(masks):
        kernels = [w for w in tuned[place].trainable if w.ndim == 2]
        for kernel, mask, start in zip(kernels, chosen, weights[place][0][::2], strict=True):
            np.testing.assert_array_equal(kernel != 0, mask & (start != 0))
