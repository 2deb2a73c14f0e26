import re
from typing import NamedTuple

import pytest

from denselab.cli import progress
from denselab.cli.progress import Tally, Work, download_progress, training_progress, work_for
from denselab.data import load
from denselab.recipes import ladder, parameter_count


class Event(NamedTuple):
    recipe: str
    place: int
    epoch: int
    finished: int = 0
    members: int = 2


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_an_epoch_costs_as_much_as_the_network_is_large_and_shared_weights_cost_nothing():
    data = load("wine")

    works = work_for(ladder("tuned"), data, members=3)

    assert [work.recipe for work in works] == [
        "plain",
        "batch_norm",
        "self_normalizing",
        "alpha_dropout",
        "one_cycle",
    ]
    count = parameter_count(ladder("tuned")[0], features=13, outputs=3)
    assert works[0].total() == 3 * works[0].epochs * count.trainable


def test_the_time_left_is_what_is_left_at_the_pace_so_far():
    tally = Tally([Work("a", members=2, epochs=10, cost=1.0), Work("b", 2, 10, cost=2.0)])

    tally.note(Event("a", 0, 1), now=100.0)
    assert tally.seconds_left() is None
    tally.note(Event("a", 1, 4), now=102.0)

    # 4 epochs of cost 1 in 2 s; 15 epochs of cost 1 and 20 of cost 2 are left.
    assert tally.seconds_left() == pytest.approx((15 + 40) * 2 / 4)


def test_compiling_between_two_recipes_does_not_count_as_training():
    tally = Tally([Work("a", members=1, epochs=10, cost=1.0), Work("b", 1, 10, cost=1.0)])

    tally.note(Event("a", 0, 2, members=1), now=0.0)
    tally.note(Event("a", 0, 10, members=1), now=8.0)
    tally.note(Event("b", 0, 1, members=1), now=1000.0)

    assert tally.seconds_left() == pytest.approx(9.0)


def test_a_member_that_stops_early_is_taken_for_done_as_soon_as_that_is_known():
    work = Work("a", members=2, epochs=10, cost=1.0)

    work.note(Event("a", 0, 4))
    work.note(Event("a", 1, 1, finished=1))

    assert work.done() == 10 + 1
    assert work.words() == "1/2 members, epoch 1/10"


def test_when_a_recipe_begins_those_before_it_are_done_and_named_once():
    works = [Work(name, members=2, epochs=10, cost=1.0) for name in "abc"]
    tally = Tally(works)

    tally.note(Event("a", 0, 1), now=0.0)
    ended = tally.note(Event("c", 0, 1), now=1.0)

    assert [work.recipe for work in ended] == ["a", "b"]
    assert [work.members for work in ended] == [2, 0]  # nothing was heard of b: it was there before
    assert [work.recipe for work in tally.close()] == ["c"]
    assert tally.close() == []


def test_a_resumed_recipe_counts_the_members_that_are_trained_now():
    work = Work("a", members=5, epochs=10, cost=1.0)

    work.note(Event("a", 0, 1, members=2))

    assert work.total() == 20


def test_a_pipe_gets_a_line_every_five_seconds_and_one_when_a_recipe_is_done(capsys, clock):
    works = [Work("a", members=2, epochs=10, cost=1.0)]

    with training_progress(works) as note:
        for second in range(12):
            clock.now = float(second)
            note(Event("a", 0, second // 2))
        clock.now = 13.0

    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "a: 0/2 members, epoch 2/10, about 45 s left",
        "a: 0/2 members, epoch 5/10, about 30 s left",
        "a: done, 2 members in 13 s",
    ]


def test_a_terminal_gets_a_bar_a_recipe(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")

    with training_progress([Work("a", 1, 10, 1.0), Work("b", 1, 10, 1.0)]) as note:
        note(Event("a", 0, 5, members=1))

    out = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert re.search(r"a ━+ +done, 1 member in \d s", out)
    assert re.search(r"b ━+ +was done before", out)
    assert re.search(r"a ━+ +begins *\r?\n?.*b ━+ +waits", out, re.DOTALL)


def test_nothing_is_called_done_when_training_is_interrupted(capsys):
    def interrupted():
        with training_progress([Work("a", 2, 10, 1.0)]) as note:
            note(Event("a", 0, 5))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert "done" not in capsys.readouterr().err


def test_a_download_is_shown_in_megabytes(capsys, clock):
    clock.now = 10.0
    with download_progress("cifar10") as note:
        note(2_000_000, 170_000_000)
        note(3_000_000, 170_000_000)
        clock.now = 20.0
        note(4_000_000, None)

    assert capsys.readouterr().err.splitlines() == [
        "cifar10: 2 of 170 MB downloaded",
        "cifar10: 4 MB downloaded",
    ]


def test_in_a_terminal_the_line_after_a_download_is_its_own_even_after_an_error(
    capsys, clock, monkeypatch
):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    clock.now = 10.0

    def cut_off():
        with download_progress("cifar10") as note:
            note(2_000_000, 170_000_000)
            raise ValueError("cut off")

    with pytest.raises(ValueError, match="cut off"):
        cut_off()

    assert capsys.readouterr().err.endswith("cifar10: 2 of 170 MB downloaded\n")


def test_without_a_download_nothing_is_shown(capsys):
    with download_progress("wine"):
        pass

    assert capsys.readouterr().err == ""
