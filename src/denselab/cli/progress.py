"""Progress on stderr: bars in a terminal, a line now and then in a pipe."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import typer

from denselab.data import Dataset
from denselab.recipes import Recipe, groups, parameter_count
from denselab.study.tuning import tuning_name

__all__ = [
    "Event",
    "Tally",
    "Work",
    "download_progress",
    "duration",
    "training_progress",
    "work_for",
]

_SECONDS_BETWEEN_LINES = 5.0


class Event(Protocol):
    """What training says while it works; `denselab.training.Progress` is one."""

    @property
    def recipe(self) -> str:
        """Name of the recipe."""
        ...

    @property
    def place(self) -> int:
        """Place of the member that has just trained a while, counted from 0."""
        ...

    @property
    def epoch(self) -> int:
        """Epochs that this member has finished."""
        ...

    @property
    def finished(self) -> int:
        """Members of the recipe that are done."""
        ...

    @property
    def members(self) -> int:
        """Members of the recipe that are trained now."""
        ...


@dataclass
class Work:
    """What is to be trained of one recipe, and how far it has come.

    Attributes:
        recipe: Its name.
        members: How many members; 0 once it is known that all of them were there before.
        epochs: Most epochs of each of them.
        cost: What an epoch costs, in any unit that all recipes share.
        reached: Place of a member -> epochs it has finished, or all of them when it is done.
        finished: Members that are done.
        last: The member heard of last.
        closed: Whether it is known to be done.
    """

    recipe: str
    members: int
    epochs: int
    cost: float
    reached: dict[int, int] = field(default_factory=dict)
    finished: int = 0
    last: int = 0
    closed: bool = False

    def note(self, event: Event) -> None:
        """Takes in what training says."""
        if event.finished > self.finished:  # The member heard of last is done, perhaps early.
            self.reached[self.last] = self.epochs
        self.last, self.finished, self.members = event.place, event.finished, event.members
        self.reached[event.place] = event.epoch

    def finish(self) -> None:
        """Takes all members for done; if nothing was heard of any, they were there before."""
        self.closed = True
        self.members = self.members if self.reached else 0
        self.finished = self.members
        self.reached = dict.fromkeys(range(self.members), self.epochs)

    def done(self) -> float:
        """Says how much of the cost lies behind; what a member left out counts as done."""
        return self.cost * sum(self.reached.values())

    def total(self) -> float:
        """Says what all members cost, if nobody stops early."""
        return self.cost * self.members * self.epochs

    def words(self) -> str:
        """Says how far it has come."""
        epoch = self.reached.get(self.last, 0)
        return f"{self.finished}/{self.members} members, epoch {epoch}/{self.epochs}"


def work_for(
    recipes: Sequence[Recipe], dataset: Dataset, members: int, *, rates: int = 0
) -> list[Work]:
    """Lists what there is to train of some recipes.

    Args:
        recipes: The recipes; those that take their weights from another train nothing.
        dataset: What they are trained on.
        members: Members of each.
        rates: Learning rates tried for each first.

    Returns:
        One entry a recipe, and before it one for its tuning if there is any. An epoch costs what its
        matrix products do: rows times parameters, and the rows are the same for all.
    """
    sizes = {"features": dataset.features, "outputs": dataset.classes or 1}
    works: list[Work] = []
    for group in groups([recipe for recipe in recipes if recipe.weights_from is None]):
        # Those of a group train as one population, if tuning does not part them; then each has its own entry.
        together = [group] if not rates else [(recipe,) for recipe in group]
        for trained in together:
            recipe = trained[0]
            epochs, cost = recipe.training.epochs, parameter_count(recipe, **sizes).trainable
            if rates:
                works.append(Work(tuning_name(recipe.name), rates, epochs, cost))
            works.append(Work(recipe.name, members * len(trained), epochs, cost))
    return works


class Tally:
    """How far the training of several recipes, one after another, has come.

    The time left is estimated from the time between the first and the last that was heard of each
    recipe, so that compiling does not count as training.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        self.works = {work.recipe: work for work in works}
        self._under_way: Work | None = None
        self._first = self._last = (0.0, 0.0)
        self._measured = (0.0, 0.0)

    def note(self, event: Event, now: float) -> list[Work]:
        """Takes in what training says.

        Args:
            event: What it says.
            now: A clock, in seconds.

        Returns:
            The recipes that must be done, since this one has begun.
        """
        work = self.works[event.recipe]
        begins = work is not self._under_way
        ended = self._close(before=work) if begins else []
        work.note(event)
        if begins:
            self._under_way, self._first = work, (now, work.done())
        self._last = (now, work.done())
        return ended

    def close(self) -> list[Work]:
        """Takes everything for done.

        Returns:
            The recipes of which this was not known.
        """
        return self._close(before=None)

    def _close(self, before: Work | None) -> list[Work]:
        self._measured = self._spent()
        self._first, self._under_way = self._last, None
        works = list(self.works.values())
        ended = [w for w in works[: works.index(before) if before else None] if not w.closed]
        for work in ended:
            work.finish()
        return ended

    def seconds_left(self) -> float | None:
        """Estimates the time left at the pace so far, early stops included.

        Returns:
            Seconds; None as long as there is nothing to go by.
        """
        seconds, cost = self._spent()
        left = sum(work.total() - work.done() for work in self.works.values())
        return left * seconds / cost if cost > 0 else None

    def _spent(self) -> tuple[float, float]:
        """Seconds of training that were seen, and the cost of what was trained in them."""
        seconds, cost = self._measured
        return seconds + self._last[0] - self._first[0], cost + self._last[1] - self._first[1]


def duration(seconds: float) -> str:
    """Writes a time as people say it.

    Args:
        seconds: The time.

    Returns:
        Two units at most.

    Example:
        >>> duration(4.2), duration(83), duration(7500)
        ('4 s', '1 min 23 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return "{} h {} min".format(*divmod(minutes, 60))


@contextmanager
def training_progress(works: Sequence[Work]) -> Iterator[Callable[[Event], None]]:
    """Shows how training goes as long as the context lasts.

    Args:
        works: What is trained, in order.

    Yields:
        What to call with every event.
    """
    tally = Tally(works)
    with _bars(works) if sys.stderr.isatty() else _lines() as show:
        began = time.monotonic()

        def finish(works: list[Work]) -> None:
            nonlocal began
            for work in works:
                now = time.monotonic()
                what = "1 member" if work.members == 1 else f"{work.members} members"
                took = f"done, {what} in {duration(now - began)}"
                show(work, took if work.members else "was done before", True)
                began = now

        def note(event: Event) -> None:
            finish(tally.note(event, time.monotonic()))
            work, left = tally.works[event.recipe], tally.seconds_left()
            ending = "" if left is None else f", about {duration(left)} left"
            show(work, work.words() + ending, False)

        yield note
        finish(tally.close())


@contextmanager
def download_progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Shows how a download goes, if there is one.

    Args:
        name: What is downloaded.

    Yields:
        What to call with the bytes that are there and the bytes there will be.
    """
    last = -math.inf
    rewrite = sys.stderr.isatty()

    def note(came: int, whole: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= (0.1 if rewrite else _SECONDS_BETWEEN_LINES):
            last = now
            of = "" if whole is None else f" of {whole / 1e6:.0f}"
            _say(f"{name}: {came / 1e6:.0f}{of} MB downloaded", rewrite=rewrite)

    try:
        yield note
    finally:
        if rewrite and last > -math.inf:  # What comes next begins on a line of its own.
            _say("")


Show = Callable[[Work, str, bool], None]
"""Shows a recipe's work, in words, and whether it is done."""


@contextmanager
def _lines() -> Iterator[Show]:
    last = time.monotonic()

    def show(work: Work, words: str, done: bool) -> None:
        nonlocal last
        now = time.monotonic()
        if done or now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            _say(f"{work.recipe}: {words}")

    yield show


@contextmanager
def _bars(works: Sequence[Work]) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = TextColumn("{task.description}"), BarColumn(14), TextColumn("{task.fields[words]}")
    with Progress(*columns, console=Console(stderr=True)) as progress:
        # What begins compiles first, and nothing is heard of it meanwhile.
        tasks = {
            work.recipe: progress.add_task(
                work.recipe, total=work.total(), words="waits" if place else "begins"
            )
            for place, work in enumerate(works)
        }
        following = dict(pairwise(tasks.values()))

        def show(work: Work, words: str, done: bool) -> None:
            task = tasks[work.recipe]
            progress.update(task, total=work.total(), completed=work.done(), words=words)
            if done and task in following:
                progress.update(following[task], words="begins")

        yield show


def _say(line: str, *, rewrite: bool = False) -> None:
    typer.echo(f"\r\x1b[K{line}" if rewrite else line, err=True, nl=not rewrite)
