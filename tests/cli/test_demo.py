"""The first five minutes, made short."""

import pytest

from denselab.study import read_study


@pytest.fixture
def short(monkeypatch):
    """Ladder and broken nets of two layers, on few draws."""
    monkeypatch.setattr("denselab.cli.demo._DRAWS", 5)

    def settings(load):
        def loaded(name, *, preset, settings=()):
            more = ["network.depth=2", "network.width=8"]
            return load(name, preset=preset, settings=[*settings, *more])

        return loaded

    import denselab.recipes as recipes

    load, ladder = recipes.load_recipe, recipes.ladder
    monkeypatch.setattr(recipes, "load_recipe", settings(load))
    few = ("plain", "self_normalizing")
    monkeypatch.setattr(
        recipes,
        "ladder",
        lambda preset: tuple(
            recipes.apply_settings(one, ["network.depth=2", "network.width=8"])
            for one in ladder(preset)
            if one.name in few
        ),
    )


def test_the_demo_shows_verdicts_layers_costs_and_the_report(denselab, folder, short):
    answer = denselab("demo", "--seeds", "2", "--epochs", "2")
    assert answer.code == 0, answer.err
    for words in (
        "self_normalizing - plain",
        "SELU on raw inputs",
        "distinct units",
        "gradual-90",
        "5 draws of MC dropout",
        "studies/demo/report.html",
    ):
        assert words in answer.out
    study = read_study(folder / "studies" / "demo")
    rows = study.documents["activations"]
    equal = [r for r in rows if (r["arm"], r["layer"], r["when"]) == ("equal_weights", 1, "end")]
    assert [row["distinct_units"] for row in equal] == [1]
    assert "Accuracy against sparsity" in (folder / "studies/demo/report.html").read_text("utf-8")

    again = denselab("demo", "--seeds", "2", "--epochs", "2")
    assert again.err.count("was done before") == 8
