"""Cases 56 to 60: recipe files and numbers that are typed."""

from pathlib import Path

RECIPE = "train digits --recipe r.toml"


def recipe(text: str, name: str = "r.toml"):
    def build(folder: Path) -> None:
        (folder / name).write_text(text)

    return build


def nothing(folder: Path) -> None:
    """What is wrong was typed."""


BILLION_LAUGHS = "a: &a [x, x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)

CASES = (
    (
        56,
        "YAML bomb",
        "train digits --recipe r.yaml",
        2,
        r"ends in \.toml",
        recipe(BILLION_LAUGHS, "r.yaml"),
    ),
    (56, "YAML bomb named TOML", RECIPE, 2, "not valid TOML", recipe(BILLION_LAUGHS)),
    (
        56,
        "TOML nested a million deep",
        RECIPE,
        2,
        "r.toml",
        recipe("a = " + "[" * 10**6 + "]" * 10**6),
    ),
    (
        56,
        "TOML with tables a thousand deep",
        RECIPE,
        2,
        "r.toml",
        recipe("[" + ".".join(["a"] * 20_000) + "]"),
    ),
    (56, "TOML of 100 MB", RECIPE, 2, "r.toml", recipe("# " + "x" * 10**8)),
    (
        57,
        "duplicate keys",
        RECIPE,
        2,
        "not valid TOML.*each key once",
        recipe("[network]\ndepth = 2\ndepth = 3\n"),
    ),
    (58, 'lr = "1e-3"', RECIPE, 2, "did you mean optimizer.learning_rate", recipe('lr = "1e-3"\n')),
    (
        58,
        "learning rate in quotes",
        RECIPE,
        2,
        "write 1e-3 without quotes",
        recipe('[optimizer]\nlearning_rate = "1e-3"\n'),
    ),
    (59, "depth 0", RECIPE, 2, "must be at least 1", recipe("[network]\ndepth = 0\n")),
    (59, "depth -1", "train digits --depth -1", 2, "must be at least 1", nothing),
    (59, "depth 10^9", "compare digits --depth 1000000000", 2, "must be at most 1,000", nothing),
    (60, "seed -1", "train digits --seed -1", 2, "seed", nothing),
    (60, "seed 2^64", "compare digits --seed 18446744073709551616", 2, "seed", nothing),
)
