import dataclasses

import numpy as np
import pytest

from denselab.errors import UsageError
from denselab.recipes import load_recipe
from denselab.training.blocks import Block, BlockNetwork, predict_members, train_blocks

SHORT = ["network.depth=1", "network.width=8", "training.epochs=3"]


def network(*settings, task="classification"):
    recipe = load_recipe("plain", preset="tuned", settings=[*SHORT, *settings])
    return BlockNetwork(recipe, 3, 2 if task == "classification" else 1, task)


def block(rows, seeds=(0, 1), seed=0, **options):
    stream = np.random.default_rng(seed)
    x = stream.normal(size=(rows, 3)).astype("float32")
    order = [stream.permutation(rows) for _ in seeds]
    splits = [(np.sort(rows_[10:]), np.sort(rows_[:10])) for rows_ in order]
    return Block(x, (x[:, 0] > 0).astype("int32"), seeds, splits, **options)


def same(one, other):
    return one.seed == other.seed and all(map(np.array_equal, one.trainable, other.trainable))


@pytest.mark.parametrize("settings", [[], ["schedule.kind=cosine", "optimizer.name=adamw"]])
def test_members_do_not_depend_on_other_blocks(settings):
    blocks = [block(50), block(50, seed=1), block(51, seed=2)]
    among = train_blocks(network(*settings), blocks)
    for number, one in enumerate(blocks):
        (alone,) = train_blocks(network(*settings), [one])
        assert all(map(same, alone, among[number]))


def test_blocks_that_share_rows_have_them_once(monkeypatch):
    from denselab.training import blocks as module

    sizes = []
    train = module.train_population
    monkeypatch.setattr(
        module, "train_population", lambda *a, **k: sizes.append(len(a[1])) or train(*a, **k)
    )
    one = block(50)
    train_blocks(network(), [one, Block(one.x, one.y, [7, 8], one.splits)])
    assert sizes == [50]


def test_class_weights_of_blocks_may_differ_in_one_program():
    chance = np.random.default_rng(0).integers(0, 2, 50).astype("int32")
    plain = dataclasses.replace(block(50), y=chance)
    heavy = [
        dataclasses.replace(plain, class_weight=weights) for weights in ((20.0, 0.1), (0.1, 20.0))
    ]
    longer = network("training.epochs=30", "optimizer.learning_rate=0.02")
    found = train_blocks(longer, heavy)
    for number, (first, _) in enumerate(found):
        means, deviations = predict_members(longer, [first], heavy[0].x)
        assert (means[0].argmax(axis=1) == number).mean() > 0.9
        assert not deviations.any()


def test_draws_differ():
    dropping = network(
        "network.dropout.kind=dropout", "network.dropout.rate=0.5", "prediction.draws=8"
    )
    one = block(50)
    (members,) = train_blocks(dropping, [one])
    means, deviations = predict_members(dropping, members, one.x)
    assert means.shape == deviations.shape == (2, 50, 2)
    assert (deviations > 0).all()


def test_a_recipe_without_weights_of_its_own_is_refused():
    wrong = network()._replace(recipe=load_recipe("mc_dropout", preset="tuned"))
    with pytest.raises(UsageError, match="set weights_from and starts_from to none"):
        train_blocks(wrong, [block(50)])


def test_mixup_of_a_quantity_is_refused():
    with pytest.raises(UsageError, match="set it to 0"):
        train_blocks(network("training.mixup=0.2", task="regression"), [block(50)])
