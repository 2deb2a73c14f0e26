import json
import re
import subprocess
import sys

import pytest

from denselab.errors import UsageError
from denselab.report import contents_of, page_of, write_report
from denselab.report.page import _bundling, _vega, script_safe

HOSTILE = '</script><script>fired=1</script><img src=x onerror="fired=2">\' onload="fired=3 \u2028'


@pytest.fixture(scope="module")
def page(make_study):
    return page_of(contents_of(make_study()))


def test_the_answer_comes_first_then_alerts_then_sections_in_their_order(make_study):
    page = page_of(contents_of(make_study(failing=[("plain", 0)])))
    places = [
        page.index(f'id="{name}"')
        for name in (
            "answer",
            "alerts",
            "contrasts",
            "seeds",
            "curves",
            "cost",
            "recipes",
            "provenance",
        )
    ]

    assert places == sorted(places)
    assert "batch_norm helps" in re.search("<h1>(.*?)</h1>", page).group(1)


def test_sections_without_records_are_left_out(page):
    for name in ("tuning", "claims", "activations", "uncertainty"):
        assert f'id="{name}"' not in page


def test_the_page_names_no_address_outside_its_libraries(page):
    library = max(re.findall(r"<script>(.*?)</script>", page, re.DOTALL), key=len)

    assert not re.findall(r"(?:src|href)=[\"'](?!#|data:)", page.replace(library, ""))
    assert "http" not in page.replace(library, "").replace("http-equiv", "").replace(
        "http: refuse", ""
    )


def test_the_policy_allows_the_two_scripts_by_their_hashes_and_no_connection(page):
    policy = re.search('Content-Security-Policy" content="(.*?)"', page).group(1)

    assert policy.count("sha256-") == 2
    assert "default-src &#39;none&#39;" in policy
    assert "connect-src &#39;none&#39;" in policy
    assert "unsafe-eval" not in policy


def test_hostile_names_are_text_in_html_and_in_json(make_study, about):
    study = make_study(
        models={HOSTILE: 0.8},
        documents={"claims": [{"statement": HOSTILE, "verdict": "refuted"}]},
        about=about(title=HOSTILE.strip("\u2028"), dataset=HOSTILE, command=HOSTILE),
    )
    page = page_of(contents_of(study))
    library = max(re.findall(r"<script>(.*?)</script>", page, re.DOTALL), key=len)

    assert "<img" not in page.replace(library, "")
    assert not re.search(r"<[^>]* onload=", page.replace(library, ""))
    assert page.count("<script") == page.count("</script>") == 3
    assert "\u2028" not in re.search(r'id="charts">(.*?)</script>', page, re.DOTALL).group(1)


def test_json_in_a_script_is_the_same_json():
    value = {"name": HOSTILE, "number": [1.5, None]}
    text = script_safe(value)

    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def test_a_page_of_many_trials_stays_below_two_megabytes(make_study):
    arms = {f"model {place}": 0.9 for place in range(12)}
    study = make_study({"plain": 0.9}, models=arms)

    assert len(page_of(contents_of(study)).encode()) < 2_000_000


def test_the_same_records_give_the_same_page(make_study, tmp_path):
    study = make_study()
    for name in ("one", "two"):
        write_report(study, tmp_path / name)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_folder_that_cannot_be_written_to_is_an_error_in_words(make_study, tmp_path):
    with pytest.raises(UsageError, match=r"missing"):
        write_report(make_study(), tmp_path / "missing" / "report.html")


def test_writing_a_report_loads_no_backend(make_study, tmp_path):
    study = make_study()
    script = f"""
import sys
from pathlib import Path
from denselab.report import write_report
from denselab.study import read_study
write_report(read_study(Path({str(study.folder)!r})), Path({str(tmp_path / "r.html")!r}))
print([name for name in ("jax", "keras", "torch", "tensorflow") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_the_page_is_the_same_where_no_process_can_be_made(make_study, monkeypatch):
    contents = contents_of(make_study())
    usual = page_of(contents)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    _bundling.cache_clear()
    _vega.cache_clear()
    assert page_of(contents) == usual
    _bundling.cache_clear()
