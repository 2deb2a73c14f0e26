import keras
import numpy as np
import pytest

from denselab.errors import UsageError
from denselab.sparsity import (
    PathPoint,
    apply_masks,
    choose_point,
    dense_layers,
    l1_path,
    magnitude_masks,
    output_layers,
    prune,
    prune_and_tune,
    sparsity_of,
)

layers = keras.layers
pytestmark = pytest.mark.backends

X = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


def network(optimizer=None):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(16, activation="elu", name="hidden"),
            layers.Dropout(0.1),
            layers.Dense(2, name="answer"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    return model


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("magnitude", {"rounds": 2}),
        ("gradual", {"scope": "global"}),
        ("l1", {"strengths": [0.0, 1.0]}),
    ],
)
def test_all_three_ways_end_at_the_wanted_share_in_a_stock_model(method, options, tmp_path):
    model = network()
    before = model.get_weights()
    arguments = {"epochs": 4, "batch_size": 16, "validation_split": 0.25, **options}
    sparse = prune_and_tune(model, X, Y, sparsity=0.75, method=method, **arguments)
    assert sum(sparsity_of(sparse).zeros.values()) == 96
    if "scope" not in options:
        assert sparsity_of(sparse).zeros == {"hidden": 72, "answer": 24}
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # It has trained: what is left is not what the model had.
    kernel = dense_layers(sparse)["hidden"].get_weights()[0]
    assert not np.isin(kernel[kernel != 0], before[0]).any()
    assert type(sparse.optimizer) is type(model.optimizer)
    sparse.save(tmp_path / "sparse.keras")
    assert "denselab" not in sparse.to_json() + str(sparse.get_compile_config())
    loaded = keras.models.load_model(tmp_path / "sparse.keras")
    assert sparsity_of(loaded).zeros == sparsity_of(sparse).zeros
    assert loaded.evaluate(X, Y, verbose=0)[1] > 0.7


def test_the_same_seed_gives_the_same_weights_and_leaves_randomness_alone():
    model = network()
    first, second, other = (
        prune_and_tune(model, X, Y, sparsity=0.5, epochs=1, seed=seed).get_weights()
        for seed in (3, 3, 4)
    )
    state = np.random.get_state()[1].copy()
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(first[0], other[0])
    prune(model, 0.5)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_one_shot_zeroes_the_smallest_and_nothing_else():
    model = network()
    sparse = prune(model, 0.75, skip=output_layers(model))
    expected = keras.models.clone_model(model)
    expected.set_weights(model.get_weights())
    apply_masks(expected, magnitude_masks(model, 0.75, skip=["answer"]))
    for ours, theirs in zip(sparse.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert sparsity_of(model).total == 0
    assert sparse.compiled
    uncompiled = keras.Sequential([keras.Input((6,)), layers.Dense(4)])
    assert not prune(uncompiled, 0.5).compiled


def test_a_path_is_walked_from_weak_to_strong_and_a_point_chosen():
    model = network(keras.optimizers.SGD(0.05))
    points = l1_path(model, X, Y, strengths=[0.0, 0.3, 3.0], epochs=3)
    shares = [point.sparsity for point in points]
    assert shares[0] == 0 < shares[1] < shares[2]
    assert choose_point(points, (shares[1] + shares[2]) / 2) is points[1]
    assert choose_point(points, shares[1]) is points[1]
    assert choose_point([PathPoint(1.0, 0.9, [])], 0.5).strength == 1.0
    with pytest.raises(UsageError, match=r"each above the last"):
        l1_path(model, X, Y, strengths=[1.0, 0.5])
    with pytest.raises(UsageError, match=r"at least one strength"):
        choose_point([], 0.5)


def test_a_broken_model_is_not_handed_over_unless_asked_for():
    model = network()
    kernel, bias = model.get_layer("hidden").get_weights()
    model.get_layer("hidden").set_weights([kernel / 1000, bias])
    with pytest.raises(UsageError, match=r"'hidden' would have no weight left.*allow_broken=True"):
        prune(model, 0.8, scope="global")
    broken = prune(model, 0.8, scope="global", allow_broken=True)
    assert sparsity_of(broken).layers["hidden"] == 1


def test_subclassed_models_are_copied_where_they_can_be():
    class Own(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.units = units
            self.part = layers.Dense(units)

        def build(self, shape):
            self.part.build(shape)

        def call(self, inputs):
            return self.part(inputs)

        def get_config(self):
            return {"units": self.units}

    class Bare(Own):
        def get_config(self):
            raise TypeError("no config")

    model = Own(5)
    model.build((None, 8))
    assert sparsity_of(prune(model, 0.6)).total == 0.6
    bare = Bare(5)
    bare.build((None, 8))
    with pytest.raises(UsageError, match=r"cannot be copied .*apply_masks"):
        prune(bare, 0.6)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"sparsity": 90}, r"did you mean 0\.9"),
        ({"sparsity": 0.5, "method": "random"}, "'magnitude', 'gradual', 'l1'"),
        ({"sparsity": 0.5, "epoch": 3}, "did you mean 'epochs'"),
        ({"sparsity": 0.5, "epochs": 0}, "from 1"),
        ({"sparsity": 0.5, "epochs": 1, "rounds": 99}, "fewer rounds"),
        ({"sparsity": 0.5, "scope": "all"}, "'layer' or 'global'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, remedy):
    with pytest.raises(UsageError, match=remedy):
        prune_and_tune(network(), X, Y, **options)


def test_what_training_needs_is_asked_for():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4)])
    with pytest.raises(UsageError, match=r"call model\.compile"):
        prune_and_tune(model, X, Y, sparsity=0.5)
    with pytest.raises(UsageError, match=r"give steps_per_epoch"):
        prune_and_tune(network(), iter([(X, Y)]), sparsity=0.5)
