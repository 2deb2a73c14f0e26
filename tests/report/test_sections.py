from statistics import fmean, stdev

import numpy as np
import pytest

from denselab.report.drawing import page_look
from denselab.report.evidence import gather
from denselab.report.sections import SECTIONS
from denselab.report.sections.activations import activations
from denselab.report.sections.claims import claims
from denselab.report.sections.contrasts import contrasts
from denselab.report.sections.curves import curves
from denselab.report.sections.provenance import provenance
from denselab.report.sections.recipes import recipes
from denselab.report.sections.seeds import seeds
from denselab.report.sections.tuning import tuning
from denselab.study import judged

TRIED = [
    {"learning_rate": 1e-4, "loss": 1.0, "accuracy": 0.5, "status": "finished"},
    {"learning_rate": 1e-3, "loss": 0.5, "accuracy": 0.8, "status": "finished"},
    {"learning_rate": 1e-2, "loss": None, "accuracy": None, "status": "diverged"},
]
TUNING = {"plain": {"recipe": "plain", "chosen": 1e-3, "boundary": "", "tried": TRIED}}


def rows_of(figure, *fields):
    """Lists the rows of a chart's data that have these fields."""
    tables = page_look(figure.chart)["datasets"].values()
    return [row for table in tables for row in table if all(field in row for field in fields)]


def test_every_section_stands_under_a_name_and_figures_and_tables_under_names_of_their_own(
    make_study,
):
    evidence = gather(make_study(documents={"tuning": TUNING}))
    made = [section for section in (make(evidence) for make in SECTIONS) if section]
    names = [
        *(section.name for section in made),
        *(f"figure {figure.name}" for section in made for figure in section.figures),
        *(f"table {table.name}" for section in made for table in section.tables),
    ]

    assert len(names) == len(set(names)) > 15


def test_the_table_of_contrasts_has_the_figures_of_the_verdict(make_study):
    study = make_study()
    (one,) = judged(study).contrasts
    (row,) = contrasts(gather(study)).tables[0].rows

    assert row[:4] == ("batch_norm", "plain", "better", 8)
    assert row[4:8] == (one.difference, one.interval.low, one.interval.high, one.sd)
    assert row[9] == 100 * one.wrong.unpaired.share


def test_the_dots_of_the_forest_are_the_paired_differences_in_points(make_study):
    study = make_study()
    evidence = gather(study)
    dots = {
        row["seed"]: row["difference"] for row in rows_of(contrasts(evidence).figures[0], "seed")
    }
    for seed in range(8):
        arm, against = (
            evidence.trials[name][seed].test.accuracy for name in ("batch_norm", "plain")
        )
        assert dots[seed] == pytest.approx(100 * (arm - against), abs=1e-3)


def test_curves_are_means_over_the_seeds_that_still_train(make_study):
    evidence = gather(make_study({"plain": 0.9}))
    trials = evidence.trials["plain"]
    rows = {row["epoch"]: row for row in rows_of(curves(evidence).figures[2], "epoch")}
    values = [100 * trial.trace["val_accuracy"][4] for trial in trials if trial.epochs_run > 4]

    assert rows[1]["n"] == 8
    assert rows[5]["n"] == len(values) < 8
    assert rows[5]["val_accuracy"] == pytest.approx(fmean(values), rel=1e-4)
    high = rows[5]["val_accuracy_high"]
    assert high == pytest.approx(fmean(values) + stdev(values), rel=1e-4)


def test_curves_end_where_fewer_than_half_of_the_seeds_train(make_study):
    evidence = gather(make_study({"plain": 0.9}))
    lengths = [trial.epochs_run for trial in evidence.trials["plain"]]
    longest = max(e for e in range(1, 7) if 2 * sum(n >= e for n in lengths) >= len(lengths))

    assert max(row["epoch"] for row in rows_of(curves(evidence).figures[0], "epoch")) == longest


def test_the_table_of_arms_has_n_mean_and_deviation(make_study):
    evidence = gather(make_study({"plain": 0.9}, failing=[("plain", 2)]))
    scores = [100 * trial.test.accuracy for trial in evidence.trials["plain"] if not trial.failed]
    (row,) = seeds(evidence).tables[0].rows

    assert row[:3] == ("plain", 7, 1)
    assert row[3:5] == pytest.approx((np.mean(scores), np.std(scores, ddof=1)))


def test_rates_that_diverged_are_in_the_table_and_not_in_the_chart(make_study):
    section = tuning(gather(make_study(documents={"tuning": TUNING})))

    assert [row["rate"] for row in rows_of(section.figures[0], "rate")] == [1e-4, 1e-3]
    assert [row[-2:] for row in section.tables[0].rows] == [
        ("finished", ""),
        ("finished", "chosen"),
        ("diverged", ""),
    ]


def test_a_tuned_rate_is_marked_among_the_differences(make_study):
    section = recipes(gather(make_study(documents={"tuning": TUNING})))
    changed = {row[2]: row[3:] for row in section.tables[1].rows}

    assert changed["network.normalization"] == ("none", "batch")
    assert changed["optimizer.learning_rate"][0] == "0.001 (tuned)"


def test_provenance_has_command_fingerprint_versions_and_machine(make_study):
    study = make_study()
    found = dict(provenance(gather(study)).tables[0].rows)

    assert found["command"] == "denselab compare toy"
    assert found["data, fingerprint"] == study.manifest.dataset["fingerprint"]
    assert {"version of jax", "version of keras", "machine, cpu", "begun"} < set(found)


def test_claims_are_shown_with_figures_of_any_shape(make_study):
    document = [
        {
            "statement": "a",
            "verdict": "confirmed",
            "figures": {"ratio": 0.51234, "interval": [0.4, 0.6]},
        },
        {"statement": "b", "verdict": "undecided", "figures": ["12 seeds", None]},
        {"statement": "c", "verdict": "refuted"},
    ]
    (table,) = claims(gather(make_study(documents={"claims": document}))).tables

    assert [row[2] for row in table.rows] == [
        "interval: 0.4 to 0.6; ratio: 0.5123",
        "12 seeds; -",
        "",
    ]


@pytest.mark.parametrize("document", [None, [], {"a": 1}, [{"arm": "plain"}], "text"])
@pytest.mark.parametrize(("name", "section"), [("claims", claims), ("activations", activations)])
def test_a_document_that_says_nothing_leaves_its_section_out(make_study, name, section, document):
    documents = {} if document is None else {name: document}

    assert section(gather(make_study({"plain": 0.9}, documents=documents))) is None
