"""Settings laid over recipes, differences told, recipes written and read back."""

import re
import typing

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from denselab.errors import UsageError
from denselab.recipes import (
    Network,
    Optimizer,
    Recipe,
    Schedule,
    apply_settings,
    differences,
    fields,
    ladder,
    load_recipe,
    resolved,
    to_toml,
)

ONE_CYCLE = load_recipe("one_cycle")
ALL_RUNGS = [*ladder("published"), *ladder("tuned")]

CALM = hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Nothing here is to fail on a busy machine."""


def options(path):
    return typing.get_args(fields()[path].annotation)


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("optimizer.learning_rate=1e-3", "optimizer.learning_rate", 1e-3),
        ("network.depth = 3", "network.depth", 3),
        ("network.activation=gelu", "network.activation", "gelu"),
        ('network.activation="gelu"', "network.activation", "gelu"),
        ("training.early_stopping=true", "training.early_stopping", True),
        ("network.dropout.rate=0.25", "network.dropout.rate", 0.25),
        ("optimizer={nesterov=true}", "optimizer.nesterov", True),
        ("optimizer.clipnorm=1", "optimizer.clipnorm", 1.0),
        ("title=My own = net", "title", "My own = net"),
        ("name=007", "name", "007"),
        ("weights_from=plain", "weights_from", "plain"),
    ],
)
def test_a_setting_changes_its_field_alone(setting, field, value):
    changed = apply_settings(ONE_CYCLE, [setting])
    got = changed
    for part in field.split("."):
        got = getattr(got, part)
    assert got == value
    back = to_toml(changed).splitlines()
    assert len([line for line in to_toml(ONE_CYCLE).splitlines() if line not in back]) == 1


def test_a_mapping_does_what_texts_do():
    texts = ["network.depth=3", "optimizer.learning_rate=0.5"]
    mapping = {"network.depth": 3, "optimizer": {"learning_rate": 0.5}}
    assert apply_settings(ONE_CYCLE, texts) == apply_settings(ONE_CYCLE, mapping)


def test_a_mapping_is_left_as_it_was():
    mapping = {"network": {"depth": 3}, "network.width": 5}
    assert apply_settings(ONE_CYCLE, mapping).network.width == 5
    assert mapping == {"network": {"depth": 3}, "network.width": 5}


def test_numpy_numbers_are_numbers():
    changed = apply_settings(
        ONE_CYCLE, {"network.depth": np.int64(3), "optimizer.learning_rate": np.float32(0.5)}
    )
    assert (changed.network.depth, changed.optimizer.learning_rate) == (3, 0.5)


def test_an_array_is_no_number():
    with pytest.raises(UsageError, match=r"depth = .* must be a whole number"):
        apply_settings(ONE_CYCLE, {"network.depth": np.array([3, 4])})


def test_of_two_settings_the_later_counts():
    assert apply_settings(ONE_CYCLE, ["network.depth=3", "network.depth=4"]).network.depth == 4


def test_one_text_is_one_setting():
    assert apply_settings(ONE_CYCLE, "network.depth=3").network.depth == 3


@pytest.mark.parametrize("settings", [(), [], {}])
def test_no_setting_changes_nothing(settings):
    assert apply_settings(ONE_CYCLE, settings) == ONE_CYCLE


def test_settings_are_checked_together():
    with pytest.raises(UsageError, match=r"rate = 0\.0: must be above 0"):
        apply_settings(load_recipe("plain"), ["network.dropout.kind=dropout"])
    settings = ["network.dropout.kind=dropout", "network.dropout.rate=0.1"]
    assert apply_settings(load_recipe("plain"), settings).network.dropout.rate == 0.1


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("optimizer.learning_rate", "write field=value"),
        ("=3", "write field=value"),
        ("network..depth=3", "write field=value"),
        ("network.dept=3", "network.dept is no field of a recipe; did you mean network.depth"),
        ("learning_rate=1", "did you mean optimizer.learning_rate"),
        ("optimizer.learning_rate=", 'learning_rate = "": must be a number'),
        ('optimizer.learning_rate="1e-3"', "write 1e-3 without quotes"),
        ("optimizer.learning_rate=fast", 'learning_rate = "fast": must be a number'),
        ("optimizer.learning_rate=none", "must be a number"),
        ("network.depth=1e3", "must be a whole number; write 1000"),
        ("network.depth=3\nnetwork.width=3", "must be a whole number"),
        ("network.depth=" + "[" * 5000, "must be a whole number"),
        ("network=3", "network = 3: must be a table"),
        ("network.depth.deeper=3", "network.depth = a table"),
        ("extends=plain", "extends belongs in a recipe file"),
        ("optimizer.beta_1=0.9", "means nothing when name is sgd"),
    ],
    ids=lambda value: value[:40],
)
def test_a_bad_setting_is_refused_with_its_remedy(setting, says):
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        apply_settings(ONE_CYCLE, [setting])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("kind", options("schedule.kind"))
def test_every_schedule_can_be_set_on_any_rung(kind):
    for rung in ALL_RUNGS:
        assert apply_settings(rung, {"schedule.kind": kind}).schedule.kind == kind


@pytest.mark.parametrize("name", options("optimizer.name"))
def test_every_optimizer_can_be_set_on_any_rung(name):
    for rung in ALL_RUNGS:
        changed = apply_settings(rung, {"optimizer.name": name})
        assert changed.optimizer.name == name
        assert changed.optimizer.learning_rate == rung.optimizer.learning_rate


@pytest.mark.parametrize("field", ["activation", "kernel_initializer", "bias_initializer"])
def test_every_technique_of_the_network_can_be_set_on_any_rung(field):
    for option in options(f"network.{field}"):
        for rung in ALL_RUNGS:
            changed = apply_settings(rung, {f"network.{field}": option})
            assert getattr(changed.network, field) == option


@pytest.mark.parametrize("kind", options("network.normalization"))
def test_every_normalization_can_be_set_on_any_rung(kind):
    for rung in ALL_RUNGS:
        assert apply_settings(rung, {"network.normalization": kind}).network.normalization == kind


def test_dropout_can_be_switched_off_where_nothing_is_drawn():
    changed = apply_settings(ONE_CYCLE, ["network.dropout.kind=none"])
    assert resolved(changed.network.dropout) == {"kind": "none"}


@pytest.mark.parametrize(
    ("settings", "dropped"),
    [
        (["optimizer.name=adam"], {"optimizer.momentum", "optimizer.nesterov"}),
        (["schedule.kind=constant"], {"schedule.start_factor", "schedule.final_factor"}),
        (["network.dropout.kind=none"], {"network.dropout.rate", "network.dropout.where"}),
    ],
    ids=["optimizer", "schedule", "dropout"],
)
def test_options_of_the_old_choice_fall_away(settings, dropped):
    gone = {d.field for d in differences(apply_settings(ONE_CYCLE, settings), ONE_CYCLE)}
    assert dropped <= gone


def test_a_recipe_does_not_differ_from_itself():
    assert differences(ONE_CYCLE, ONE_CYCLE) == []


def test_name_title_and_origin_are_no_difference():
    renamed = ONE_CYCLE.model_copy(update={"name": "a", "title": "b", "extends": None})
    assert differences(renamed, ONE_CYCLE) == []


def test_differences_name_both_values_in_the_order_of_the_fields():
    base = Recipe(name="a")
    recipe = Recipe(
        name="b",
        optimizer=Optimizer(name="sgd", learning_rate=0.1),
        network=Network(depth=3),
        schedule=Schedule(kind="cosine"),
    )
    assert differences(recipe, base) == [
        ("network.depth", 20, 3),
        ("optimizer.name", "nadam", "sgd"),
        ("optimizer.learning_rate", 5e-5, 0.1),
        ("optimizer.momentum", None, 0.0),
        ("optimizer.nesterov", None, False),
        ("schedule.kind", "constant", "cosine"),
        ("schedule.end_factor", None, 0.01),
        ("schedule.warmup_fraction", None, 0.0),
    ]


@pytest.mark.parametrize("rung", ALL_RUNGS, ids=lambda r: f"{r.extends}: {r.name}")
def test_a_rung_written_and_read_is_the_same(rung, tmp_path):
    path = tmp_path / "other.toml"
    path.write_text(to_toml(rung), encoding="utf-8")
    assert load_recipe(path) == rung


def test_what_is_written_needs_no_other_file(tmp_path):
    (tmp_path / "base.toml").write_text("[network]\ndepth = 3")
    (tmp_path / "mine.toml").write_text('extends = "base.toml"')
    mine = load_recipe(tmp_path / "mine.toml")
    (tmp_path / "base.toml").unlink()
    (tmp_path / "written.toml").write_text(to_toml(mine))
    assert load_recipe(tmp_path / "written.toml") == mine.model_copy(update={"extends": None})


@st.composite
def settings(draw):
    """Some settings that fit together, over every kind of field."""
    chosen = {
        f"network.{field}": draw(st.sampled_from(options(f"network.{field}")))
        for field in ("activation", "kernel_initializer", "bias_initializer", "normalization")
    }
    chosen["network.depth"] = draw(st.integers(1, 1000))
    chosen["network.residual"] = draw(st.booleans())
    chosen["optimizer.name"] = draw(st.sampled_from(options("optimizer.name")))
    chosen["optimizer.learning_rate"] = draw(st.floats(1e-12, 1e6))
    chosen["optimizer.weight_decay"] = draw(st.none() | st.floats(0, 1))
    chosen["schedule.kind"] = draw(st.sampled_from(options("schedule.kind")))
    chosen["title"] = draw(
        st.text(st.characters(codec="utf-8", categories=["L", "N", "S", "P"]), max_size=200)
    )
    kept = draw(st.sets(st.sampled_from(sorted(chosen))))
    return {field: chosen[field] for field in sorted(kept)}


@CALM
@given(st.sampled_from(ALL_RUNGS), settings())
def test_any_recipe_written_and_read_is_the_same(tmp_path_factory, rung, changes):
    recipe = apply_settings(rung, changes)
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(to_toml(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe
    assert differences(load_recipe(path), recipe) == []


@CALM
@given(st.sampled_from(ALL_RUNGS), settings())
def test_differences_laid_over_the_base_give_the_recipe(rung, changes):
    recipe = apply_settings(rung, changes)
    told = {d.field: d.after for d in differences(recipe, rung) if has(recipe, d.field)}
    assert differences(apply_settings(rung, told), recipe) == []


def has(recipe, field):
    """Tells whether a field means anything in a recipe."""
    table = resolved(recipe)
    *path, last = field.split(".")
    for part in path:
        table = table[part]
    return last in table
