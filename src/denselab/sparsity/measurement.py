"""What measuring a sparse model found: a table, JSON, and what wins."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from denselab.sparsity.latency import Latency

__all__ = ["Measurement", "Way"]

_TOLERANCE = 0.01


@dataclass(frozen=True)
class Way:
    """One way to answer with a model.

    Attributes:
        name: Such as "onnx_int8".
        title: The same in words.
        parameters: Numbers that the model holds.
        nonzero: Those that are not 0.
        file_bytes: Size of what is stored: the `.keras` file without optimizer, the `.onnx` file, the
            arrays of CSR.
        packed_bytes: The same deflated, for Keras by `pack`; CSR as it is.
        score: Accuracy from 0 to 1, or the root mean squared error; None without labels.
        latencies: One a batch size; empty where `not_measured` says why.
        not_measured: Why there are no times, or None.
    """

    name: str
    title: str
    parameters: int
    nonzero: int
    file_bytes: int | None = None
    packed_bytes: int | None = None
    score: float | None = None
    latencies: tuple[Latency, ...] = ()
    not_measured: str | None = None

    def latency(self, batch: int) -> Latency:
        """Gives the latency of a batch size that was measured."""
        return next(one for one in self.latencies if one.batch == batch)


@dataclass(frozen=True)
class Measurement:
    """What answering costs in every way tried, all timed in turn in one run.

    Attributes:
        ways: The ways; the first is Keras with the model as it was given.
        batch_sizes: Rows of a batch.
        metric: "accuracy", "rmse", or None without labels.
        rounds: Times that each latency was taken.
        threads: What could use how many threads.
        backend: Backend of Keras.
        machine: Model of the processor.
        versions: Package -> version.
    """

    ways: tuple[Way, ...]
    batch_sizes: tuple[int, ...]
    metric: str | None
    rounds: int
    threads: str
    backend: str
    machine: str
    versions: dict[str, str]

    def way(self, name: str) -> Way:
        """Gives a way by its name."""
        return next(one for one in self.ways if one.name == name)

    def cells(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Gives the table as header and rows of text.

        Returns:
            Sizes in kB of 1,000 bytes, latencies in milliseconds as median and quartiles.
        """
        header = (
            *("way", "parameters", "non-zero", "kB", "kB packed", self.metric or "accuracy"),
            *(f"ms at batch {batch}" for batch in self.batch_sizes),
        )
        return header, tuple(self._row(way) for way in self.ways)

    def recommend(self, tolerance: float = _TOLERANCE) -> str:
        """Says in one sentence what answers fastest, from these measurements alone.

        Args:
            tolerance: Accuracy that may be lost against Keras with the given model, or the share by
                which the error may grow. Without labels everything measured is a candidate.

        Returns:
            The sentence. Ways whose rounds do not tell them apart are both named.
        """
        timed = [way for way in self.ways if way.latencies]
        fit = [way for way in timed if self._loss(way) <= tolerance]
        parts = [self._fastest(fit, batch) for batch in self.batch_sizes]
        missed = [way for way in timed if way not in fit]
        aside = "; ".join(f"{way.title} {self._change(way)}" for way in missed)
        labels = "" if self.metric else "; how right the answers are was not measured (no labels)"
        left_out = f"; left out: {aside}" if aside else ""
        return f"On this machine the fastest is {', and '.join(parts)}{left_out}{labels}."

    def to_json(self) -> dict[str, object]:
        """Gives everything as plain data, the recommendation included."""
        return {**asdict(self), "recommendation": self.recommend()}

    def __str__(self) -> str:
        """The table, and below it the conditions and the recommendation."""
        header, rows = self.cells()
        reasons = [f"{way.title}: not measured: {way.not_measured}" for way in self._silent()]
        conditions = f"{self.machine}; {self.threads}; medians (quartiles) of {self.rounds} rounds"
        return "\n".join([*_aligned([header, *rows]), *reasons, conditions, self.recommend()])

    def _silent(self) -> list[Way]:
        return [way for way in self.ways if way.not_measured]

    def _row(self, way: Way) -> tuple[str, ...]:
        score = "-" if way.score is None else f"{way.score:.4f}"
        sizes = (f"{way.parameters:,}", f"{way.nonzero:,}")
        stored = (_kilobytes(way.file_bytes), _kilobytes(way.packed_bytes))
        if not way.latencies:
            return (way.title, *sizes, *stored, score, *["not measured"] * len(self.batch_sizes))
        return (way.title, *sizes, *stored, score, *map(_milliseconds, way.latencies))

    def _loss(self, way: Way) -> float:
        """How much worse than Keras with the given model: points of accuracy, or the error's growth."""
        reference = self.ways[0].score
        if way.score is None or reference is None:
            return 0.0
        if self.metric == "accuracy":
            return reference - way.score
        return (way.score - reference) / max(reference, 1e-30)

    def _change(self, way: Way) -> str:
        if self.metric == "accuracy":
            return f"loses {100 * self._loss(way):.1f} points of accuracy"
        return f"has an error {100 * self._loss(way):.1f} % greater"

    def _fastest(self, ways: Sequence[Way], batch: int) -> str:
        ranked = sorted(ways, key=lambda way: way.latency(batch).median)
        best = ranked[0].latency(batch)
        equal = [way for way in ranked[1:] if not best.beats(way.latency(batch))]
        names = " or ".join(way.title for way in [ranked[0], *equal])
        ratio = self.ways[0].latency(batch).median / best.median
        against = ""
        if ranked[0] is not self.ways[0]:
            against = f", {ratio:.3g} times as fast as {self.ways[0].title}"
        apart = ", which the rounds do not tell apart" if equal else ""
        return f"{names} at batch {batch} ({1e3 * best.median:.3g} ms{against}{apart})"


def _kilobytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1000:,.1f}"


def _milliseconds(latency: Latency) -> str:
    low, high = latency.quartiles
    return f"{1e3 * latency.median:.3g} ({1e3 * low:.3g}-{1e3 * high:.3g})"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
