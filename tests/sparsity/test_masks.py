import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from denselab.errors import UsageError
from denselab.sparsity import (
    apply_masks,
    dense_layers,
    magnitude_masks,
    masks_of,
    output_layers,
    sparsity_of,
)
from denselab.sparsity.masks import zero_count

layers = keras.layers
pytestmark = pytest.mark.backends

shares = st.integers(0, 999).map(lambda thousandths: thousandths / 1000)
magnitudes = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 2.0])  # So that many are equal.


def network(*kernels):
    model = keras.Sequential([keras.Input((kernels[0].shape[0],))])
    for kernel in kernels:
        model.add(layers.Dense(kernel.shape[1], use_bias=False))
    for layer, kernel in zip(model.layers, kernels, strict=True):
        layer.set_weights([kernel])
    return model


@pytest.fixture(scope="module")
def pair():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, name="hidden"), layers.Dense(3, name="answer")]
    )


@pytest.fixture(scope="module")
def nested():
    def inner():
        return keras.Sequential([keras.Input((4,)), layers.Dense(4, name="same")], name="inner")

    class Own(layers.Layer):
        def __init__(self):
            super().__init__(name="own")
            self.part = layers.Dense(4, name="part")

        def build(self, shape):
            self.part.build(shape)

        def call(self, inputs):
            return self.part(inputs)

    inputs = keras.Input((4,))
    hidden = Own()(inner()(inputs))
    return keras.Model(inputs, layers.Dense(2, name="same")(layers.BatchNormalization()(hidden)))


@settings(max_examples=25, deadline=None)
@given(st.data(), shares, st.integers(1, 40), st.integers(1, 40))
def test_a_layer_gets_exactly_its_share_and_its_smallest_weights(data, share, rows, columns):
    kernel = data.draw(arrays("float32", (rows, columns), elements=magnitudes))
    (mask,) = magnitude_masks(network(kernel), share).values()
    assert (~mask).sum() == round(round(share * 1000) * kernel.size / 1000)
    if mask.any() and not mask.all():
        assert np.abs(kernel[~mask]).max() <= np.abs(kernel[mask]).min()
    # Of equal weights the first go first.
    for size in np.unique(np.abs(kernel)):
        kept = mask.ravel()[np.abs(kernel).ravel() == size]
        assert (np.diff(kept.astype(int)) >= 0).all()


@settings(max_examples=15, deadline=None)
@given(st.data(), shares)
def test_the_global_scope_ranks_all_kernels_together(data, share):
    first = data.draw(arrays("float32", (5, 7), elements=magnitudes))
    second = data.draw(arrays("float32", (7, 3), elements=magnitudes))
    masks = list(magnitude_masks(network(first, second), share, "global").values())
    together = np.concatenate([first.ravel(), second.ravel()])
    expected = np.ones(together.size, bool)
    expected[np.argsort(np.abs(together), kind="stable")[: zero_count(share, 56)]] = False
    np.testing.assert_array_equal(np.concatenate([mask.ravel() for mask in masks]), expected)


def test_applied_masks_are_read_back_and_counted(pair):
    model = keras.models.clone_model(pair)
    masks = magnitude_masks(model, 0.8)
    before = {name: layer.get_weights() for name, layer in dense_layers(model).items()}
    apply_masks(model, masks)
    for name, mask in masks_of(model).items():
        np.testing.assert_array_equal(mask, masks[name])
        kernel, bias = dense_layers(model)[name].get_weights()
        np.testing.assert_array_equal(kernel, np.where(mask, before[name][0], 0))
        np.testing.assert_array_equal(bias, before[name][1])
    counts = sparsity_of(model)
    assert counts.zeros == {"hidden": 24, "answer": 12}
    assert counts.layers == {"hidden": 0.8, "answer": 0.8}
    assert counts.total == 36 / 45


def test_dense_layers_are_found_wherever_they_are_and_nothing_else(nested):
    assert list(dense_layers(nested)) == ["inner/same", "part", "same"]
    assert output_layers(nested) == ("same",)
    masks = magnitude_masks(nested, 0.5, skip=output_layers(nested))
    assert {name: (~mask).sum() for name, mask in masks.items()} == {"inner/same": 8, "part": 8}


@pytest.mark.parametrize(
    ("sparsity", "remedy"),
    [
        (1, "below 1"),
        (-0.1, "from 0"),
        (90, r"did you mean 0\.9\?"),
        (100.0, "below 1"),
        (float("nan"), "from 0"),
        (float("inf"), "below 1"),
        ("0.9", "give a share"),
        (True, "give a share"),
    ],
)
def test_what_is_no_share_of_zeros_is_refused(sparsity, remedy, pair):
    with pytest.raises(UsageError, match=remedy):
        magnitude_masks(pair, sparsity)


def test_masks_of_another_model_are_refused_and_change_nothing(pair):
    masks = magnitude_masks(pair, 0.5)
    other = keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, name="hidden"), layers.Dense(4, name="answer")]
    )
    before = other.get_weights()
    with pytest.raises(UsageError, match=r"shape \(5, 3\).*\(5, 4\).*magnitude_masks"):
        apply_masks(other, masks)
    with pytest.raises(UsageError, match=r"no Dense layer 'strange'.*magnitude_masks"):
        apply_masks(other, {"hidden": masks["hidden"], "strange": masks["answer"]})
    with pytest.raises(UsageError, match=r"give booleans"):
        apply_masks(other, {"hidden": np.full((6, 5), 0.3)})
    for ours, theirs in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_models_with_nothing_to_prune_are_refused(pair):
    with pytest.raises(UsageError, match=r"no Dense layer.*give one that has"):
        magnitude_masks(keras.Sequential([keras.Input((4,)), layers.ReLU()]), 0.5)
    with pytest.raises(UsageError, match=r"build the model first"):
        magnitude_masks(keras.Sequential([layers.Dense(3)]), 0.5)
    with pytest.raises(UsageError, match=r"give a keras\.Model"):
        sparsity_of("model.keras")
    with pytest.raises(UsageError, match=r"skip names 'hiden'.*hidden, answer"):
        magnitude_masks(pair, 0.5, skip=["hiden"])
    with pytest.raises(UsageError, match=r"leave one out of skip"):
        magnitude_masks(pair, 0.5, skip=["hidden", "answer"])
    with pytest.raises(UsageError, match=r"'layer' or 'global'"):
        magnitude_masks(pair, 0.5, "model")
    with pytest.raises(UsageError, match=r"not finite; train the model again"):
        magnitude_masks(network(np.array([[np.nan, 1.0]])), 0.5)
