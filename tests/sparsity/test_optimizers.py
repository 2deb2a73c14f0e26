import keras
import numpy as np
import pytest

from denselab.components import ScheduledMomentumSGD
from denselab.errors import UsageError
from denselab.sparsity import (
    GradualPruning,
    KeepZeros,
    ProximalL1,
    apply_masks,
    dense_layers,
    magnitude_masks,
    masks_of,
    one_shot_pruning,
    output_layers,
    pruned_optimizer,
    sparsity_of,
    stock_optimizer,
)

layers = keras.layers
pytestmark = pytest.mark.backends

X = np.random.default_rng(0).normal(size=(48, 6)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int32")


def network():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(10, activation="elu", name="hidden"),
            layers.BatchNormalization(),
            layers.Dense(2, name="answer"),
        ]
    )


def compiled(optimizer, rule, model=None, **options):
    model = model or network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(pruned_optimizer(optimizer, rule, model, **options), loss)
    return model


def fit(model, epochs=1):
    model.fit(X, Y, batch_size=8, epochs=epochs, verbose=0)  # Six updates an epoch.


def kernels(model):
    return [layer.get_weights()[0] for layer in dense_layers(model).values()]


def hard(optimizer, **options):
    """An optimizer with all that could bring zeros back."""
    return optimizer(
        0.05,
        weight_decay=0.1,
        clipnorm=1.0,
        use_ema=True,
        ema_overwrite_frequency=2,
        ema_momentum=0.5,
        **options,
    )


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: hard(keras.optimizers.Nadam),
        lambda: hard(ScheduledMomentumSGD, momentum=0.9),
        lambda: keras.optimizers.AdamW(0.05, gradient_accumulation_steps=2),
    ],
    ids=["Nadam", "ScheduledMomentumSGD", "accumulating"],
)
def test_zeros_are_exact_and_last_through_fit_save_and_load(optimizer, tmp_path):
    model = compiled(optimizer(), GradualPruning(0.8, begin=0, end=4, frequency=2))
    fit(model, 2)
    assert sparsity_of(model).zeros == {"hidden": 48, "answer": 16}
    masks = masks_of(model)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert type(loaded.optimizer) is type(model.optimizer)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    before = kernels(loaded)
    fit(loaded)
    for name, mask in masks_of(loaded).items():
        np.testing.assert_array_equal(mask, masks[name])
    assert not np.array_equal(kernels(loaded)[0], before[0])  # It does train.


def test_a_global_share_ranks_all_kernels_and_skipped_ones_stay_dense():
    model = network()
    kernel, bias = model.get_layer("answer").get_weights()
    model.get_layer("answer").set_weights([100 * kernel, bias])
    rule = one_shot_pruning(0.5, at=2, scope="global")
    fit(compiled(keras.optimizers.SGD(1e-3), rule, model))
    assert sparsity_of(model).zeros == {"hidden": 40, "answer": 0}
    model = network()
    fit(compiled(keras.optimizers.Adam(0.05), rule, model, skip=output_layers(model)))
    assert sparsity_of(model).zeros == {"hidden": 30, "answer": 0}


def test_the_penalty_makes_exact_zeros_and_ends_at_the_wanted_share():
    without_end = compiled(keras.optimizers.SGD(0.1), ProximalL1(0.3))
    fit(without_end, 2)
    assert 0.1 < sparsity_of(without_end).total < 0.95
    model = compiled(keras.optimizers.SGD(0.1), ProximalL1(0.05, 0.6, end=6))
    fit(model)
    assert sparsity_of(model).zeros == {"hidden": 36, "answer": 12}
    model.optimizer.strength = 1e6  # Nothing would be left if the penalty went on.
    fit(model)
    assert sparsity_of(model).zeros == {"hidden": 36, "answer": 12}


def test_the_proximal_step_is_a_soft_threshold_after_the_update():
    plain, penalised = network(), network()
    plain.compile(
        keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    compiled(keras.optimizers.SGD(0.1), ProximalL1(0.5), penalised)
    for model in (plain, penalised):
        model.fit(X[:8], Y[:8], batch_size=8, verbose=0)
    for ours, theirs in zip(kernels(penalised), kernels(plain), strict=True):
        expected = np.sign(theirs) * np.maximum(np.abs(theirs) - 0.1 * 0.5, 0)
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_keeping_zeros_keeps_those_that_are_there_before_the_first_update():
    model = compiled(hard(keras.optimizers.Adam), KeepZeros())
    masks = magnitude_masks(model, 0.6)
    apply_masks(model, masks)  # After compiling, as the engine puts weights into members.
    fit(model)
    for name, mask in masks_of(model).items():
        np.testing.assert_array_equal(mask, masks[name])


def test_masked_updates_are_those_of_the_sparse_network():
    """Against a slow loop: descent with momentum on the gradient of the masked network."""
    model = compiled(keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=0.05), KeepZeros())
    apply_masks(model, magnitude_masks(model, 0.5))
    optimizer, variables = model.optimizer, model.trainable_variables
    masks = [keras.ops.convert_to_numpy(variable.value) != 0 for variable in variables]
    places = [place for place, _ in optimizer.kernels]
    weights = [keras.ops.convert_to_numpy(variable.value).copy() for variable in variables]
    velocity = [np.zeros_like(weight) for weight in weights]
    stream = np.random.default_rng(1)
    for _ in range(3):
        gradients = [stream.normal(size=w.shape).astype("float32") for w in weights]
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
        for i, gradient in enumerate(gradients):
            gradient = np.where(masks[i], gradient, 0) if i in places else gradient
            gradient = gradient * 0.05 / max(np.sqrt((gradient**2).sum()), 0.05)
            velocity[i] = 0.9 * velocity[i] - 0.1 * gradient
            weights[i] += velocity[i]
    for variable, weight in zip(variables, weights, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable.value), weight, atol=1e-6)


def test_the_stock_optimizer_comes_off_again_with_its_settings():
    model = network()
    rule = GradualPruning(0.8, begin=0, end=4)
    pruned = pruned_optimizer(hard(keras.optimizers.Nadam), rule, model)
    assert isinstance(pruned, keras.optimizers.Nadam)
    stock = stock_optimizer(pruned)
    assert type(stock) is type(hard(keras.optimizers.Nadam))
    assert stock.get_config() == {**hard(keras.optimizers.Nadam).get_config(), "name": stock.name}
    pruned.sparsity = 0.5
    assert float(keras.ops.convert_to_numpy(pruned.sparsity.value)) == 0.5


def test_optimizers_and_models_that_do_not_fit_are_refused():
    model, rule = network(), KeepZeros()
    with pytest.raises(UsageError, match=r"give a Keras optimizer"):
        pruned_optimizer("adam", rule, model)
    with pytest.raises(UsageError, match=r"give GradualPruning"):
        pruned_optimizer(keras.optimizers.Adam(), 0.9, model)
    with pytest.raises(UsageError, match=r"give the one inside"):
        pruned_optimizer(pruned_optimizer(keras.optimizers.Adam(), rule, model), rule, model)
    used = keras.optimizers.Adam()
    used.build(model.trainable_variables)
    with pytest.raises(UsageError, match=r"stock_optimizer\(model.optimizer\)"):
        pruned_optimizer(used, rule, model)
    optimizer = pruned_optimizer(keras.optimizers.Adam(), rule, model)
    model.layers[0].trainable = False
    with pytest.raises(UsageError, match=r"frozen.*skip=\['hidden'\]"):
        pruned_optimizer(keras.optimizers.Adam(), rule, model)
    with pytest.raises(UsageError, match=r"make it anew"):
        optimizer.build(model.trainable_variables)


def test_the_zeros_of_a_penalty_are_no_negative_zeros():
    model = compiled(keras.optimizers.SGD(0.1), ProximalL1(0.3))
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
    kernels = np.concatenate(
        [np.ravel(model.get_layer(n).get_weights()[0]) for n in ("hidden", "answer")]
    )
    zeros = kernels[kernels == 0]
    assert len(zeros) > 10
    assert not np.signbit(zeros).any()
