import pytest

from denselab.report import write_report
from denselab.report.evidence import gather
from denselab.report.sections.findings import findings

HOSTILE = "</td><script>fired=1</script>"


def finding(arm, severity="warning", **changes):
    return {
        "arm": arm,
        "severity": severity,
        "id": "selu-on-unscaled-inputs",
        "title": "SELU on inputs that are not standardised",
        "evidence": "mean 4.91",
        "threshold": "mean within 0.3 of 0",
        "why": "It needs mean 0.",
        "remedy": "Standardise.",
        **changes,
    }


def test_findings_stand_in_a_table_the_worst_first_and_notes_in_another(make_study):
    found = [
        finding("plain", "note", id="a-note"),
        finding("plain", id="a-warning"),
        finding("batch_norm", "error", id="an-error"),
    ]

    section = findings(gather(make_study(documents={"findings": found})))

    loud, quiet = section.tables
    assert [row[:3] for row in loud.rows] == [
        ("error", "an-error", "batch_norm"),
        ("warning", "a-warning", "plain"),
    ]
    assert loud.rows[0][3:] == (
        "mean 4.91",
        "mean within 0.3 of 0",
        "It needs mean 0.",
        "Standardise.",
    )
    assert [row[1] for row in quiet.rows] == ["a-note"]
    assert (loud.folded, quiet.folded) == (False, True)
    assert section.sentences == ("1 error, 1 warning, 1 note; look at plain, batch_norm.",)


def test_the_same_finding_in_several_arms_is_one_row(make_study):
    found = [finding("plain"), finding("batch_norm"), finding("plain", id="other")]

    (table,) = findings(gather(make_study(documents={"findings": found}))).tables

    assert [row[1:4] for row in table.rows] == [
        ("selu-on-unscaled-inputs", "plain, batch_norm", "mean 4.91"),
        ("other", "plain", "mean 4.91"),
    ]


def test_a_finding_of_many_layers_is_one_row(make_study):
    found = [finding("plain", evidence=f"layer {number}") for number in range(20)]

    (table,) = findings(gather(make_study(documents={"findings": found}))).tables

    assert [row[3] for row in table.rows] == ["layer 0; layer 1; layer 2; and 17 more"]


def test_a_study_in_which_nothing_was_found_says_so(make_study):
    section = findings(gather(make_study(documents={"findings": []})))

    assert section.sentences == ("0 errors, 0 warnings, 0 notes.",)
    assert section.tables == ()


@pytest.mark.parametrize("documents", [{}, {"findings": {"odd": 1}}])
def test_a_study_that_nobody_diagnosed_has_no_section(make_study, documents):
    assert findings(gather(make_study(documents=documents))) is None


def test_what_came_from_elsewhere_is_text_on_the_page(make_study, tmp_path):
    odd = finding(HOSTILE, HOSTILE, id=HOSTILE, evidence=HOSTILE, remedy=f"\x1b[31m{HOSTILE}")
    study = make_study(documents={"findings": [odd, finding("plain"), "no table", {"arm": "x"}]})

    write_report(study, tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "What the doctor found" in page
    assert "<script>fired" not in page
    assert "&lt;script&gt;fired=1" in page
    assert "\x1b" not in page
