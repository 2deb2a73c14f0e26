"""Reads reports as a reader does, in a browser that is kept from the network."""

import re

import pytest

from denselab.report import write_report

FIRED = "window.fired === undefined && document.title.indexOf('FIRED') < 0"
HOSTILE = '</script><script>window.fired=1</script><img src=x onerror="window.fired=2">\' onload="window.fired=3'
ESCAPE, TAB, ENTER, SPACE = 27, 9, 13, 32

UNCERTAINTY = {
    "draws": 10,
    "coverage": 0.9,
    "recipes": [
        {
            "recipe": "plain",
            "seeds": [0, 1],
            "methods": [
                {
                    "method": method,
                    "passes": passes,
                    "spread": spread,
                    "scores": {
                        metric: {"value": 0.5, "spread": 0.1, "values": [0.4, 0.6]}
                        for metric in ("accuracy", "loss", "brier", "calibration_error", "aurc")
                    },
                }
                for method, passes, spread in (
                    ("deterministic", 1.0, "standard deviation"),
                    ("ensemble", 2.0, "jackknife standard error"),
                )
            ],
            "temperatures": {"temperature": [1.2, 1.3]},
            "curve": {
                "draws": [1, 10, 100],
                "sufficient": 10,
                "values": {
                    metric: [[0.5, 0.6], [0.4, 0.5], [0.4, 0.5]]
                    for metric in ("accuracy", "loss", "calibration_error", "aurc")
                },
            },
            "conformal": {
                "nominal": 0.9,
                "coverage": [0.9, 0.91],
                "size": [1.5, 1.6],
                "resplit": [0.9],
            },
            "notes": ["nothing is left out"],
        }
    ],
}
TUNING = {
    "plain": {
        "recipe": "plain",
        "chosen": 1e-2,
        "boundary": "highest",
        "tried": [
            {"learning_rate": rate, "loss": 1.0, "accuracy": rate * 50, "status": "finished"}
            for rate in (1e-4, 1e-3, 1e-2)
        ],
    }
}
CLAIMS = [{"statement": "SELU normalises itself", "verdict": "refuted", "figures": {"mean": 0.4}}]
ACTIVATIONS = [
    {"arm": arm, "layer": layer, "when": when, "mean": 0.1 * layer, "variance": 1.0 / layer}
    for arm in ("plain", "batch_norm")
    for layer in (1, 2, 3)
    for when in ("start", "end")
]
EVERYTHING = {
    "uncertainty": UNCERTAINTY,
    "tuning": TUNING,
    "claims": CLAIMS,
    "activations": ACTIVATIONS,
}


@pytest.fixture(scope="module")
def full_page(make_study, tmp_path_factory):
    """The report of a study that has all there can be."""
    path = tmp_path_factory.mktemp("full") / "report.html"
    write_report(make_study(documents=EVERYTHING), path)
    return path


@pytest.fixture(scope="module")
def page(make_study, tmp_path_factory):
    """The report of a study that was trained and no more."""
    path = tmp_path_factory.mktemp("plain") / "report.html"
    write_report(make_study(), path)
    return path


def complaints(browser):
    kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    return browser.happened(*kinds)


def requests(browser):
    return [
        one["params"]["request"]["url"] for one in browser.happened("Network.requestWillBeSent")
    ]


def focused(browser):
    return browser.run(
        "(({tagName, id, className, textContent}) => [tagName, id, className, textContent.trim()])"
        "(document.activeElement)"
    )


def tab_until(browser, wanted, most=80):
    """Presses the tab key until something is in focus."""
    for _ in range(most):
        browser.press("Tab", TAB)
        if wanted(focused(browser)):
            return
    raise AssertionError("tabbing never got there")


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)], ids=["desk", "phone"])
def test_every_chart_is_drawn_without_a_complaint_and_without_a_request(
    browser, full_page, width, dark
):
    page = full_page
    browser.show(width, dark=dark)

    browser.open(page)

    charts, drawn = (
        browser.run(
            "[...document.querySelectorAll('[data-chart]')].map((one) => one.dataset.chart)"
        ),
        browser.run(
            "document.querySelectorAll('[data-chart] svg .mark-symbol, [data-chart] svg .mark-line').length"
        ),
    )
    assert {"contrasts", "wrong-winner", "seeds", "cost", "tuning", "val-loss-by-epoch"} < set(
        charts
    )
    assert {"val-accuracy-by-seconds", "activation-mean", "methods-plain", "draws-plain"} < set(
        charts
    )
    assert browser.run("document.querySelectorAll('[data-chart] svg').length") == len(charts)
    assert drawn > len(charts)
    assert complaints(browser) == []
    assert requests(browser) == [page.as_uri()]
    assert browser.run("performance.getEntriesByType('resource').length") == 0


def test_a_script_that_is_not_the_page_s_own_cannot_run_or_ask_for_anything(browser, page):
    browser.show(1200)
    browser.open(page)

    browser.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.fired=1\">');"
        "const one = document.createElement('script'); one.textContent = 'window.fired=2';"
        "document.body.append(one)"
    )
    refused = browser.run("fetch('https://example.org/').then(() => 'sent', () => 'refused')")

    assert refused == "refused"
    assert browser.run("window.fired === undefined")


def test_a_phone_needs_no_scrolling_sideways(browser, full_page):
    browser.show(320)
    browser.open(full_page)

    assert browser.run("document.documentElement.scrollWidth") <= 320


def test_the_theme_follows_the_reader_and_the_button_turns_it(browser, page):
    paper = "getComputedStyle(document.body).backgroundColor"
    browser.show(1200, dark=True)
    browser.open(page)
    dark = browser.run(paper)

    tab_until(browser, lambda one: one[1] == "theme")
    browser.press("Enter", ENTER, "\r")
    light = browser.run(paper)

    assert (dark, light) == ("rgb(13, 17, 23)", "rgb(255, 255, 255)")
    assert browser.run("document.getElementById('theme').getAttribute('aria-pressed')") == "false"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_charts_take_the_ink_of_the_theme(browser, page, dark):
    browser.show(1200, dark=dark)
    browser.open(page)

    ink = browser.run(
        "getComputedStyle(document.querySelector('[data-chart=\"contrasts\"] .role-axis-label text')).fill"
    )

    assert ink == ("rgb(230, 237, 243)" if dark else "rgb(31, 35, 40)")


def test_paper_is_white_and_shows_what_was_folded(browser, page):
    browser.show(1200, dark=True, media="print")
    browser.open(page)
    browser.run("dispatchEvent(new Event('beforeprint'))")

    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("document.querySelectorAll('details:not([open])').length") == 0
    assert browser.run("getComputedStyle(document.querySelector('button')).display") == "none"
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("document.querySelectorAll('details[open]').length") == 0


def test_folded_tables_open_by_keyboard(browser, page):
    browser.show(1200)
    browser.open(page)

    tab_until(browser, lambda one: one[0] == "SUMMARY" and "Every trial" in one[3])
    browser.press("Enter", ENTER, "\r")

    assert browser.run("document.getElementById('table-trials').checkVisibility()")


def test_the_first_tab_skips_to_the_answer(browser, page):
    browser.show(1200)
    browser.open(page)

    browser.press("Tab", TAB)

    assert focused(browser)[3] == "Skip to the answer"


def test_a_picture_is_saved_with_the_colours_one_sees(browser, page):
    browser.show(1200, dark=True)
    browser.open(page)
    browser.run(
        "window.saved = []; const make = URL.createObjectURL;"
        "URL.createObjectURL = (blob) => { window.saved.push(blob); return make(blob) }; 0"
    )

    tab_until(browser, lambda one: one[2] == "save")
    browser.press("Enter", ENTER, "\r")
    svg = browser.run(
        "new Promise((done) => { const look = () => window.saved.length"
        " ? window.saved[0].text().then(done) : setTimeout(look, 20); look() })"
    )

    assert svg.startswith("<svg")
    assert "#e6edf3" in svg
    assert "var(" not in svg


def test_hostile_names_fire_nothing(browser, make_study, about, tmp_path):
    path = tmp_path / "report.html"
    hostile = [{"statement": HOSTILE, "verdict": HOSTILE, "figures": {HOSTILE: HOSTILE}}]
    layers = [
        {"arm": HOSTILE, "layer": layer, "when": "end", "mean": 0.0, "variance": 1.0}
        for layer in (1, 2)
    ]
    study = make_study(
        models={HOSTILE: 0.8, "{{ 7 * 7 }} \u2028 ${1}": 0.7},
        about=about(
            title=HOSTILE,
            dataset=HOSTILE,
            class_names=(HOSTILE, "yes"),
            command=f"denselab compare '{HOSTILE}'",
            folder=HOSTILE.replace("/", "-"),
            notes=(HOSTILE,),
        ),
        failing=[(HOSTILE, 1)],
        documents={"claims": hostile, "activations": layers},
    )
    write_report(study, path)
    browser.show(1200)

    browser.open(path)
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")

    assert browser.run(FIRED)
    assert complaints(browser) == []
    assert requests(browser) == [path.as_uri()]
    assert browser.run("document.images.length") == 0
    assert browser.run("document.scripts.length") == 3
    assert HOSTILE in browser.run("document.querySelector('#table-provenance').textContent")


def test_a_study_without_a_trial_has_a_page_without_charts(browser, make_study, tmp_path):
    path = tmp_path / "report.html"
    none = [(name, seed) for name in ("plain", "batch_norm") for seed in range(8)]
    write_report(make_study(missing=none), path)
    browser.show(1200)

    browser.open(path)

    assert complaints(browser) == []
    assert re.search(
        "No verdict: 16 trials", browser.run("document.querySelector('h1').textContent")
    )
