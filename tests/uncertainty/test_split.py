import jax
import jax.numpy as jnp
import numpy as np
import pytest

from denselab.uncertainty.split import multiplications, scaled_and_shifted, split_at_noise

random = np.random.default_rng(0)
x = random.normal(size=(7, 5)).astype("float32")
first = random.normal(size=(5, 4)).astype("float32")
second = random.normal(size=(4, 3)).astype("float32")
bias = random.normal(size=3).astype("float32")


def late(weights, noise):
    hidden = jnp.tanh(x @ weights[0])
    return scaled_and_shifted(hidden, noise[0], noise[1]) @ weights[1] + weights[2]


def split_of(function, noise):
    weights = [first, second, bias]
    program = jax.make_jaxpr(function)(weights, noise)
    return split_at_noise(program, len(noise)), weights


def own_noise():
    return [random.normal(size=(7, 4)).astype("float32") for _ in range(2)]


def shared_noise():
    return [random.normal(size=(1, 4)).astype("float32") for _ in range(2)]


@pytest.mark.parametrize("make", [own_noise, shared_noise])
def test_the_two_parts_together_are_the_whole(make):
    noise = make()
    split, weights = split_of(late, noise)
    found = split.run_draw(split.run_once(weights), noise)
    np.testing.assert_allclose(found, late(weights, noise), rtol=1e-5, atol=1e-6)


def test_what_no_noise_reaches_is_computed_once():
    split, _ = split_of(late, own_noise())
    assert multiplications(split.once) == 7 * 5 * 4
    assert multiplications(split.each) == 7 * 4 * 3
    assert "tanh" not in {step.primitive.name for step in split.each}


def test_what_only_repeats_a_value_is_not_kept():
    split, weights = split_of(late, own_noise())
    kept = split.run_once(weights)
    assert sorted(np.shape(value) for value in kept) == [(3,), (4, 3), (7, 4)]


def test_noise_on_the_way_to_nothing_leaves_no_draw():
    split, _ = split_of(lambda weights, noise: jnp.broadcast_to(weights[2], (7, 3)), own_noise())
    assert split.each == ()


def test_shared_noise_goes_into_the_weights():
    noise = shared_noise()
    split, weights = split_of(late, noise)
    kept = split.run_once(weights)
    draws = jax.make_jaxpr(jax.vmap(lambda one: split.run_draw(kept, one)))(
        [np.stack([part] * 10) for part in noise]
    )
    products = [step for step in draws.jaxpr.eqns if step.primitive.name == "dot_general"]
    # Ten draws of 7 rows: one product of (7, 4) and (4, 10 x 3), not ten of (7, 4) and (4, 3).
    assert products[0].invars[0].aval.shape == (7, 4)
    assert products[0].outvars[0].aval.size == 7 * 10 * 3


def test_shared_noise_that_meets_no_product_is_applied():
    noise = shared_noise()

    def squared(weights, noise):
        return scaled_and_shifted(jnp.tanh(x @ weights[0]), *noise) ** 2

    split, weights = split_of(squared, noise)
    found = split.run_draw(split.run_once(weights), noise)
    np.testing.assert_allclose(found, squared(weights, noise), rtol=1e-6)


def test_shared_noise_at_the_very_end_is_applied():
    noise = shared_noise()

    def ending(weights, noise):
        return scaled_and_shifted(jnp.tanh(x @ weights[0]), *noise)

    split, weights = split_of(ending, noise)
    found = split.run_draw(split.run_once(weights), noise)
    np.testing.assert_allclose(found, ending(weights, noise), rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: jnp.ones((2, 3)) @ jnp.ones((3, 4)), 2 * 3 * 4),
        (lambda: jnp.einsum("bij,bjk->bik", jnp.ones((5, 2, 3)), jnp.ones((5, 3, 4))), 5 * 24),
        (
            lambda: jax.lax.conv(jnp.ones((1, 3, 8, 8)), jnp.ones((6, 3, 5, 5)), (1, 1), "VALID"),
            6 * 4 * 4 * 3 * 5 * 5,
        ),
        (lambda: jax.jit(lambda: jnp.ones((2, 3)) @ jnp.ones((3, 4)))(), 2 * 3 * 4),
        (
            lambda: jax.lax.scan(
                lambda carry, _: (carry @ jnp.ones((3, 3)), None), jnp.ones((2, 3)), length=7
            )[0],
            7 * 2 * 3 * 3,
        ),
    ],
    ids=["product", "batch of products", "convolution", "inside jit", "inside a loop"],
)
def test_multiplications_of(function, expected):
    assert multiplications(jax.make_jaxpr(function)().jaxpr.eqns) == expected
