"""Latencies are taken in turns, on one core, and compared round by round."""

import os

import pytest

from denselab.sparsity.latency import Latency, interleaved, one_core


def test_the_median_and_the_quartiles_of_the_rounds():
    latency = Latency(64, (5.0, 1.0, 2.0, 4.0, 3.0))

    assert (latency.median, latency.quartiles) == (3.0, (2.0, 4.0))
    assert Latency(1, (2.0,)).quartiles == (2.0, 2.0)


@pytest.mark.parametrize(("lost", "wins"), [(0, True), (2, True), (3, False), (8, False)])
def test_one_beats_another_where_it_wins_three_rounds_of_four(lost, wins):
    mine = Latency(1, (1.0,) * 8)
    other = Latency(1, (0.5,) * lost + (2.0,) * (8 - lost))

    assert mine.beats(other) is wins


def test_equal_times_are_no_win():
    assert not Latency(1, (1.0,) * 4).beats(Latency(1, (1.0,) * 4))


def test_tasks_take_turns_and_every_second_round_goes_backwards(monkeypatch):
    now, done = [0.0], []
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def task(name, seconds):
        def run():
            done.append(name)
            now[0] += seconds

        return run

    seconds = interleaved({"a": task("a", 0.03), "b": task("b", 0.05)}, rounds=3)

    # Once to warm up and once to see how long it takes, then the rounds, one call each.
    assert done == [*"aabb", *"ab", *"ba", *"ab"]
    assert {name: [round(one, 9) for one in times] for name, times in seconds.items()} == {
        "a": [0.03] * 3,
        "b": [0.05] * 3,
    }


@pytest.mark.parametrize(("seconds", "calls"), [(0.03, 1), (0.005, 4), (1e-6, 20)])
def test_short_tasks_are_called_more_often_a_round(seconds, calls, monkeypatch):
    now, count = [0.0], [0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def run():
        count[0] += 1
        now[0] += seconds

    interleaved({"a": run}, rounds=1)

    assert count[0] == 2 + calls


def test_a_round_keeps_the_least_of_its_calls(monkeypatch):
    now, lasting = [0.0], iter([0.0, 0.01, 0.9, 0.4])
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def run():
        now[0] += next(lasting)

    assert interleaved({"a": run}, rounds=1) == {"a": [pytest.approx(0.4)]}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone can do that")
def test_all_threads_stand_on_one_core_and_go_back_even_after_an_error():
    before, within = os.sched_getaffinity(0), []

    def fail_within():
        with one_core() as alone:
            within.append((alone, os.sched_getaffinity(0)))
            raise KeyError

    with pytest.raises(KeyError):
        fail_within()
    assert within == [(True, {min(before)})]
    assert os.sched_getaffinity(0) == before


def test_where_threads_cannot_be_kept_on_a_core_it_says_so(monkeypatch):
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    with one_core() as alone:
        assert not alone
