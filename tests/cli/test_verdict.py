import json

import numpy as np
import pytest

NAMES = ("plain", "batch_norm", "one_cycle")


@pytest.fixture
def scores(folder):
    """Two steps of a ladder: the first brings three points, the second next to nothing."""
    stream = np.random.default_rng(0)
    lines = ["arm,seed,score"]
    for seed in range(12):
        plain = 0.90 + 0.004 * stream.normal()
        values = (plain, plain + 0.03 + 0.003 * stream.normal(), plain + 0.031)
        lines += [f"{name},{seed},{value:.6f}" for name, value in zip(NAMES, values, strict=True)]
    path = folder / "scores.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_and_words_say_which_arms_differ(denselab, scores):
    answer = denselab("verdict", "scores.csv")

    assert (answer.code, answer.err) == (0, "")
    table, words, reading = answer.out.split("\n\n")
    assert [line.split()[:3] for line in table.splitlines()[2:]] == [
        ["batch_norm", "-", "plain"],
        ["one_cycle", "-", "batch_norm"],
    ]
    assert " better " in table.splitlines()[2]
    assert "batch_norm is better than plain: +" in words
    assert "would have named plain, the worse arm" in words
    assert "Intervals of all 2 contrasts hold together in 96 % of studies" in reading


def test_json_holds_the_same_figures(denselab, scores):
    shown = json.loads(denselab("verdict", "scores.csv", "--json").out)

    first, second = shown["contrasts"]
    assert (first["arm"], first["against"], first["verdict"]) == ("batch_norm", "plain", "better")
    assert second["verdict"] == "equivalent"
    assert (shown["metric"], shown["unit"], shown["region"]) == ("accuracy", "points", 0.5)
    assert shown["others"] == []


@pytest.mark.parametrize(
    ("options", "contrasts"),
    [
        ((), [("batch_norm", "plain"), ("one_cycle", "batch_norm")]),
        (("--baseline", "plain"), [("batch_norm", "plain"), ("one_cycle", "plain")]),
        (("--contrasts", "one_cycle:plain"), [("one_cycle", "plain")]),
        (
            ("--contrasts", "one_cycle:plain, plain:batch_norm"),
            [("one_cycle", "plain"), ("plain", "batch_norm")],
        ),
    ],
    ids=str,
)
def test_the_family_can_be_chosen(denselab, scores, options, contrasts):
    shown = json.loads(denselab("verdict", "scores.csv", "--json", *options).out)

    assert [(one["arm"], one["against"]) for one in shown["contrasts"]] == contrasts


def test_a_wider_region_makes_more_arms_equivalent(denselab, scores):
    shown = json.loads(denselab("verdict", "scores.csv", "--json", "--region", "5").out)

    assert {one["verdict"] for one in shown["contrasts"]} == {"equivalent"}


def test_lower_is_better_turns_verdicts_round(denselab, scores):
    shown = json.loads(denselab("verdict", "scores.csv", "--json", "--lower-is-better").out)

    assert shown["contrasts"][0]["verdict"] == "worse"


def test_raw_scores_need_a_region_and_are_left_as_they_are(denselab, scores):
    refused = denselab("verdict", "scores.csv", "--unit", "raw")
    shown = json.loads(
        denselab("verdict", "scores.csv", "--unit", "raw", "--region", "0.005", "--json").out
    )

    assert refused.code == 2
    assert "give the largest difference that does not matter (--region)" in refused.err
    assert shown["contrasts"][0]["difference"] == pytest.approx(0.03, abs=0.005)


def test_a_later_look_has_less_error_to_spend(denselab, scores):
    shown = json.loads(denselab("verdict", "scores.csv", "--json", "--earlier-looks", "6,9").out)

    assert shown["level"] == pytest.approx(0.0025)


def test_splits_of_their_own_widen_the_interval(denselab, scores):
    one = json.loads(denselab("verdict", "scores.csv", "--json").out)["contrasts"][0]
    two = json.loads(denselab("verdict", "scores.csv", "--json", "--test-fraction", "0.2").out)

    corrected = two["contrasts"][0]
    assert corrected["standard_error"] / one["standard_error"] == pytest.approx(2, abs=1e-6)
    assert (corrected["speaks_of"], corrected["p"]) == ("splits", None)


def test_other_metrics_are_shown_without_verdict(denselab, folder):
    lines = ["arm,seed,metric,score"]
    for seed in range(8):
        for place, arm in enumerate("ab"):
            lines += [f"{arm},{seed},accuracy,{0.9 + 0.01 * place + seed / 1000}"]
            lines += [f"{arm},{seed},seconds,{5 + place + seed / 10}"]
    (folder / "scores.csv").write_text("\n".join(lines))

    first = denselab("verdict", "scores.csv")
    other = json.loads(
        denselab(
            "verdict",
            "scores.csv",
            "--metric",
            "seconds",
            "--unit",
            "raw",
            "--region",
            "0.1",
            "--json",
        ).out
    )
    unknown = denselab("verdict", "scores.csv", "--metric", "loss")

    assert "No verdict on b against a: not the primary metric." in first.out
    assert (other["metric"], other["primary"]) == ("seconds", True)
    assert [one["metric"] for one in other["others"]] == ["accuracy"]
    assert "no metric is called loss; scores.csv has accuracy, seconds" in unknown.err


def test_scores_of_rows_speak_of_new_rows(denselab, folder):
    stream = np.random.default_rng(0)
    lines = ["arm,seed,row,score"]
    for arm in "ab":
        lines += [
            f"{arm},{s},{r},{int(stream.random() < 0.8)}" for s in range(6) for r in range(40)
        ]
    (folder / "scores.csv").write_text("\n".join(lines))

    answer = denselab("verdict", "scores.csv")

    assert "they speak of new seeds and new test rows (40 are known)." in answer.out


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        pytest.param("", (), "scores.csv: is empty", id="empty file"),
        pytest.param("arm,seed,score\n", (), "has a header and no lines", id="header only"),
        pytest.param(
            "arm,seed,score\na,0,1\n", (), "arms: a; a comparison takes at least two", id="one arm"
        ),
        pytest.param("arm,seed,score\na,0,nan\n", (), "is not finite", id="NaN"),
        pytest.param("arm,seed,score\na,0,1e400\n", (), "is not finite", id="1e400"),
        pytest.param("arm,seed,score\na,0,1\na,0,1\n", (), "seed 0 again", id="twice"),
        pytest.param("arm,seed\na,0\n", (), "has no column score", id="missing column"),
        pytest.param("arm;seed;score\na;0;1\n", (), "save it with commas", id="semicolons"),
        pytest.param("arm,seed,score\na,0\n", (), "has 2 cells", id="ragged"),
        pytest.param(
            "arm,seed,score\na,0,1\nb,0,812\n", (), "is not in points; give --unit raw", id="812"
        ),
        pytest.param(
            "arm,seed,score\na,0,1\nb,0,1\n",
            ("--baseline", "c"),
            "no arm is called c",
            id="baseline",
        ),
        pytest.param(
            "arm,seed,score\na,0,1\nb,0,1\n",
            ("--contrasts", "a-b"),
            "contrast 'a-b'",
            id="contrast",
        ),
        pytest.param(
            "arm,seed,score\na,0,1\nb,0,1\n", ("--region", "-1"), "a region of -1", id="region"
        ),
        pytest.param(
            "arm,seed,score\na,0,1\nb,0,1\n", ("--earlier-looks", "x"), "whole numbers", id="looks"
        ),
        pytest.param(
            "arm,seed,score\na,0,1\nb,0,1\n",
            ("--earlier-looks", "12"),
            "more seeds",
            id="no new seeds",
        ),
        pytest.param(
            "arm,seed,score\na,0,1\nb,0,1\n", ("--test-fraction", "2"), "such as 0.2", id="fraction"
        ),
        pytest.param(
            "arm,seed,score\na,0,1\nb,0,1\n", ("--seed", "-1"), "seed -1 is out of range", id="seed"
        ),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(denselab, folder, content, options, message):
    (folder / "scores.csv").write_text(content)

    answer = denselab("verdict", "scores.csv", *options)

    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert answer.err.count("\n") == 1


def test_a_file_in_utf_16_and_one_that_is_not_there(denselab, folder):
    (folder / "scores.csv").write_text("arm,seed,score\na,0,1\n", encoding="utf-16")

    for name, message in (("scores.csv", "save it as UTF-8"), ("no.csv", "no such file")):
        answer = denselab("verdict", name)
        assert (answer.code, answer.out) == (2, "")
        assert message in answer.err


def test_with_json_an_error_is_an_object(denselab, folder):
    answer = denselab("verdict", "no.csv", "--json")

    assert json.loads(answer.out)["error"]["kind"] == "DataError"
