"""Optimizers that prune: any Keras optimizer, with masks that its compiled update sees."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Self

import keras

from denselab.errors import UsageError
from denselab.sparsity.kernels import prunable_layers
from denselab.sparsity.ranking import schedule_share, smallest_removed
from denselab.sparsity.schedules import (
    GradualPruning,
    KeepZeros,
    ProximalL1,
    PruningRule,
    rule_from_config,
)

__all__ = ["pruned_optimizer", "stock_optimizer"]

ops: Any = keras.ops  # Untyped: its annotations allow None for every result.

Kernels = Sequence[tuple[int, Sequence[int]]]
"""Place among the trainable variables, and shape, of every kernel that is pruned."""


def pruned_optimizer(
    optimizer: keras.optimizers.Optimizer,
    rule: PruningRule,
    model: keras.Model,
    *,
    skip: Sequence[str] = (),
) -> keras.optimizers.Optimizer:
    """Makes an optimizer that takes the same steps and keeps kernels sparse by a rule.

    The masks are variables of the optimizer. Gradients of pruned weights are 0, and after every update pruned weights
    are exactly 0, so that neither momentum, nor weight decay, nor `use_ema` brings them back. This holds in `fit` on
    every backend, under `stateless_apply`, hence in `train_population`, and after saving and loading a compiled model.

    The optimizer is an instance of the given optimizer's class, so every attribute is where it was. Its `sparsity` is
    a variable, as its `learning_rate` is, and so is the `strength` of `ProximalL1`: a population may give each member
    another one by the scalars `optimizer.sparsity` and `optimizer.strength`. A share of 0 trains a dense network.

    Args:
        optimizer: A Keras optimizer that has not trained yet, such as `keras.optimizers.Nadam(1e-3)`; not changed.
        rule: `GradualPruning`, `KeepZeros` or `ProximalL1`. It counts this optimizer's updates, from 1.
        model: The built model that it is going to train, with the layers to be trained marked so.
        skip: Names of Dense layers that stay dense, such as `output_layers(model)`.

    Returns:
        An optimizer for `model.compile`. `stock_optimizer` takes the pruning off again.

    Raises:
        UsageError: If the optimizer has trained, or only wraps others; if a layer to be pruned is frozen.

    Example:
        >>> import numpy as np
        >>> from denselab.sparsity import GradualPruning, sparsity_of
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
        >>> rule = GradualPruning(0.8, begin=0, end=6, frequency=2)
        >>> model.compile(pruned_optimizer(keras.optimizers.Adam(), rule, model), "mse")
        >>> history = model.fit(np.ones((32, 4)), np.ones((32, 5)), batch_size=4, verbose=0)
        >>> sparsity_of(model).total
        0.8

    References:
        Zhu and Gupta, To Prune, or Not to Prune, 2017, section 3.
    """
    _check(optimizer)
    places = {id(variable): i for i, variable in enumerate(model.trainable_variables)}
    kernels: list[tuple[int, tuple[int, ...]]] = []
    for name, layer in prunable_layers(model, skip).items():
        kernel: Any = layer.kernel
        if id(kernel) not in places:
            raise UsageError(
                f"layer {name!r} is frozen, so it cannot be pruned while training; "
                f"set its trainable to True or give skip=[{name!r}]"
            )
        kernels.append((places[id(kernel)], tuple(kernel.shape)))
    return _dressed(optimizer, rule, kernels)


def stock_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Takes the pruning off: an optimizer of the same settings that loads without denselab.

    Args:
        optimizer: From `pruned_optimizer`, or any other.

    Returns:
        A new optimizer at its first step; its learning rate is the current one.

    Example:
        >>> float(stock_optimizer(keras.optimizers.SGD(0.5)).learning_rate.numpy())
        0.5
    """
    if isinstance(optimizer, _Pruning):
        return optimizer.stock()
    return type(optimizer).from_config(optimizer.get_config())


class _Pruning:
    """What `pruned_optimizer` adds in front of an optimizer's class."""

    stock_class: Any
    rule: PruningRule
    kernels: Kernels
    _sparsity: Any
    _strength: Any

    def adopt(self, rule: PruningRule, kernels: Kernels) -> None:
        """Takes the rule, and the places of the kernels it is for."""
        this: Any = self
        self.rule = rule
        self.kernels = tuple((place, tuple(shape)) for place, shape in kernels)
        for name in ("sparsity", "strength"):
            if hasattr(rule, name):
                start = keras.initializers.Constant(getattr(rule, name))
                variable = this.add_variable((), initializer=start, dtype="float32", name=name)
                setattr(self, f"_{name}", variable)

    @property
    def sparsity(self) -> Any:
        """The final share of zeros, a variable."""
        return self._sparsity

    @sparsity.setter
    def sparsity(self, share: float) -> None:
        self._sparsity.assign(share)

    @property
    def strength(self) -> Any:
        """The strength of the penalty, a variable."""
        return self._strength

    @strength.setter
    def strength(self, strength: float) -> None:
        self._strength.assign(strength)

    def build(self, variables: list[keras.Variable]) -> None:
        """Makes one mask for each kernel."""
        this: Any = self
        if this.built:
            return
        found = [
            tuple(variables[place].shape) if place < len(variables) else None
            for place, _ in self.kernels
        ]
        if found != [shape for _, shape in self.kernels]:
            raise UsageError(
                "the optimizer was made for a model with other trainable weights; make it anew with "
                "pruned_optimizer(optimizer, rule, model), after layers were frozen or thawed"
            )
        parent: Any = super()
        parent.build(variables)
        self._masks = [
            this.add_variable(shape, initializer=_all_kept, dtype="bool", name=f"mask_{place}")
            for place, shape in self.kernels
        ]

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Takes one step, without the pruned weights, and prunes where the rule says so."""
        this: Any = self
        parent: Any = super()
        if not this.built and trainable_variables is not None:
            with keras.name_scope(this.name, caller=this):
                this.build(list(trainable_variables))
        variables = (
            this._trainable_variables if trainable_variables is None else trainable_variables
        )
        variables = list(variables)
        rate = ops.convert_to_tensor(
            this.learning_rate
        )  # Before the step: schedules go on with it.
        if isinstance(self.rule, KeepZeros):
            self._read_zeros()
        mask_at = dict(zip((place for place, _ in self.kernels), _values(self._masks), strict=True))
        masked = []
        for gradient, variable in zip(grads, variables, strict=True):
            mask = mask_at.get(this._get_variable_index(variable))
            if mask is not None and gradient is not None:
                gradient = ops.where(mask, gradient, ops.zeros_like(gradient))
            masked.append(gradient)
        parent.apply(masked, trainable_variables if trainable_variables is None else variables)
        self._sparsify(rate)

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments that make an equal optimizer."""
        return {
            "optimizer": keras.optimizers.serialize(self.stock()),
            "rule": {"kind": type(self.rule).__name__, **dataclasses.asdict(self.rule)},
            "kernels": [[place, list(shape)] for place, shape in self.kernels],
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """Makes an optimizer from `get_config`'s answer, of whatever class the config says."""
        if "rule" not in config:
            parent: Any = super()
            return parent.from_config(config, custom_objects=custom_objects)
        stock = keras.optimizers.deserialize(dict(config["optimizer"]), custom_objects)
        made: Any = _dressed(stock, rule_from_config(config["rule"]), config["kernels"])
        return made

    def stock(self) -> keras.optimizers.Optimizer:
        """Makes the optimizer without the pruning."""
        parent: Any = super()
        return self.stock_class.from_config(parent.get_config())

    def _kernel_variables(self) -> list[Any]:
        this: Any = self
        return [this._trainable_variables[place] for place, _ in self.kernels]

    def _read_zeros(self) -> None:
        """Before the first update, takes the masks from the weights."""
        this: Any = self
        first = ops.equal(this._iterations, 0)
        for mask, kernel in zip(self._masks, _values(self._kernel_variables()), strict=True):
            kept = ops.logical_and(mask.value, ops.not_equal(kernel, 0))
            mask.assign(ops.where(first, kept, mask.value))

    def _sparsify(self, rate: Any) -> None:
        """After an update: the proximal step, new masks where they are due, and the zeros."""
        this: Any = self
        variables, masks = self._kernel_variables(), _values(self._masks)
        kernels = [
            ops.where(mask, kernel, ops.zeros_like(kernel))
            for mask, kernel in zip(masks, _values(variables), strict=True)
        ]
        step = ops.cast(this.iterations, "int32")
        accumulated = this.gradient_accumulation_steps
        whole = ops.equal(ops.mod(this._iterations, accumulated or 1), 0)
        rule = self.rule
        if isinstance(rule, ProximalL1):
            penalised = whole if rule.end is None else ops.logical_and(whole, step <= rule.end)
            kernels = [self._shrunk(kernel, rate, penalised) for kernel in kernels]
        if isinstance(rule, GradualPruning) or (
            isinstance(rule, ProximalL1) and rule.end is not None
        ):
            due, share = schedule_share(rule, step, self.sparsity.value)
            due = ops.logical_and(whole, due)
            masks = smallest_removed(masks, kernels, due=due, share=share, scope=rule.scope)
        averages = this._model_variables_moving_average if this.use_ema else None
        for i, (place, _) in enumerate(self.kernels):
            self._masks[i].assign(masks[i])
            variables[i].assign(ops.where(masks[i], kernels[i], ops.zeros_like(kernels[i])))
            if averages is not None:
                average = averages[place]
                average.assign(ops.where(masks[i], average.value, ops.zeros_like(average.value)))

    def _shrunk(self, kernel: Any, rate: Any, penalised: Any) -> Any:
        threshold = ops.cast(ops.where(penalised, rate * self.strength.value, 0.0), kernel.dtype)
        shrunk = ops.sign(kernel) * ops.relu(ops.absolute(kernel) - threshold)
        # Not -0.0, whose bytes do not compress.
        return ops.where(ops.equal(shrunk, 0), ops.zeros_like(shrunk), shrunk)


@functools.cache
def _class_of(stock_class: type) -> type:
    """Puts the pruning in front of an optimizer's class.

    All such classes are saved under one name: any of them makes, from a config, an optimizer of the class it names.
    """
    made = type(
        f"Pruned{stock_class.__name__}", (_Pruning, stock_class), {"stock_class": stock_class}
    )
    return keras.saving.register_keras_serializable("denselab", "PrunedOptimizer")(made)


def _dressed(optimizer: Any, rule: PruningRule, kernels: Kernels) -> Any:
    _check_rule(rule)
    cls: Any = _class_of(type(optimizer))
    made = cls.from_config(optimizer.get_config())
    for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
        if hasattr(optimizer, name):
            setattr(made, name, getattr(optimizer, name))
    made.adopt(rule, kernels)
    return made


def _check(optimizer: Any) -> None:
    wrappers = (keras.optimizers.LossScaleOptimizer, keras.optimizers.MultiOptimizer)
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise UsageError(
            f"optimizer is {optimizer!r}; give a Keras optimizer such as keras.optimizers.Nadam(1e-3)"
        )
    if isinstance(optimizer, (_Pruning, *wrappers)):
        raise UsageError(
            f"{type(optimizer).__name__} wraps another optimizer; give the one inside, such as keras.optimizers.Nadam()"
        )
    if optimizer.built:
        raise UsageError(
            "the optimizer belongs to a model already; give a new one, such as stock_optimizer(model.optimizer)"
        )


def _check_rule(rule: Any) -> None:
    if not isinstance(rule, PruningRule):
        raise UsageError(f"rule is {rule!r}; give GradualPruning, KeepZeros or ProximalL1")


def _values(variables: Sequence[Any]) -> list[Any]:
    return [ops.convert_to_tensor(variable) for variable in variables]


def _all_kept(shape: Any, dtype: Any = None) -> Any:
    return ops.ones(shape, dtype="bool")


_SGD: Any = keras.optimizers.SGD
_class_of(_SGD)  # So that saved optimizers load as soon as this module is imported.
