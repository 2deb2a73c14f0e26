"""What a model file says about itself, in a member of its own: `denselab.json`.

Keras does not look at it. It is as trustworthy as whoever made the file: names are for people to read,
fingerprints to be compared with data that is at hand.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from denselab.data.arrays import clean_name
from denselab.errors import DataError

__all__ = [
    "LONGEST_NAME",
    "CalibrationSlice",
    "ConformalScores",
    "ModelDescription",
    "PruningFacts",
    "TableFacts",
    "ValidationRows",
    "read_description",
]

LONGEST_NAME, _MOST_NAMES = 500, 1_000_000

Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(clean_name)]
Names = Annotated[tuple[Name, ...], Field(max_length=_MOST_NAMES)]
Size = Annotated[int, Field(ge=1, le=100_000)]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Score = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CalibrationSlice(BaseModel):
    """The rows set aside to calibrate on.

    Attributes:
        fraction: Share of the rows that did not test.
        fingerprint: SHA-256 of these rows and their labels.
        held_out: Whether the model neither trained nor stopped on them.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    fraction: float = Field(gt=0, lt=1, allow_inf_nan=False)
    fingerprint: Fingerprint
    held_out: bool


class ValidationRows(BaseModel):
    """How the rows that validate were chosen under the seed of the training.

    Attributes:
        fraction: Share of the rows that neither test nor calibrate.
        stratified: Whether every class gave its share.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    fraction: float = Field(gt=0, lt=1, allow_inf_nan=False)
    stratified: bool


class PruningFacts(BaseModel):
    """How a model was made sparse or smaller after its training.

    Attributes:
        method: Such as "magnitude", "l1", "gradual" or "structured".
        sparsity: Share of the weights of Dense kernels that was to be zero, or gone.
        scope: "layer" or "global".
        epochs: Epochs that it was tuned, on its training rows alone.
        seed: Seed of the tuning.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    method: Name
    sparsity: float = Field(ge=0, lt=1, allow_inf_nan=False)
    scope: Name
    epochs: int = Field(ge=0)
    seed: int = Field(ge=0, lt=2**32)


class ConformalScores(BaseModel):
    """How far the model was off on calibration rows, so that new rows get sets and intervals without them.

    Attributes:
        scores: One a calibration row, rising: 1 less the probability of the true class, or how far a predicted
            value is from the true one.
        temperature: What divides the logarithms of probabilities so that they fit those rows; None for values.
        draws: Number of draws that the predictions were the mean of; others are predicted in the same way.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    scores: Annotated[tuple[Score, ...], Field(min_length=1, max_length=100_000)]
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    draws: int = Field(ge=1, le=1_000_000)


class TableFacts(BaseModel):
    """How the table was read that a model was trained on; new ones are read in the same way.

    Attributes:
        fingerprint: SHA-256 of the features and targets of all its rows.
        missing: Texts that meant a missing value.
        delimiter: What stood between fields of a CSV file, where that was said.
        decimal: Its decimal mark.
        encoding: Its encoding.
        header: Whether its first line named the columns, where that was said.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    fingerprint: Fingerprint
    missing: Names
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    decimal: Literal[".", ","] = "."
    encoding: Annotated[str, Field(max_length=40)] = "utf-8"
    header: bool | None = None


class ModelDescription(BaseModel):
    """What a model is, beyond its layers.

    Attributes:
        format: Version of this description.
        recipe: Name of the recipe it was trained with.
        seed: Seed of the training.
        dataset: Name of the data set it was trained on.
        fingerprint: SHA-256 of that data.
        class_names: Names of its classes, in the order of its outputs.
        feature_names: Names of its flat inputs, if they have any.
        image_shape: Height, width and channels where a row is an image.
        draws: Number of draws its predictions are the mean of; 1 predicts without draws.
        calibration: The calibration slice, if there is one.
        validation: How validation rows were chosen; None in files of an older denselab.
        pruning: How it was pruned; None if it was not. A denselab that does not know it leaves it unread.
        task: What it predicts.
        members: Number of networks that it averages.
        conformal: What sets and intervals of new rows rest on, if it is there.
        table: How the table was read, if it was trained on one; its preprocessing is a member of the file.

    Example:
        >>> about = ModelDescription(
        ...     format=1, recipe="plain", seed=0, dataset="toy", fingerprint="0" * 64,
        ...     class_names=("no", "yes"), draws=1,
        ... )
        >>> read_description(about.model_dump_json().encode()) == about
        True
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    recipe: Name
    seed: int = Field(ge=0, lt=2**32)
    dataset: Name
    fingerprint: Fingerprint
    class_names: Names
    feature_names: Names | None = None
    image_shape: tuple[Size, Size, Size] | None = None
    draws: int = Field(ge=1, le=1_000_000)
    calibration: CalibrationSlice | None = None
    validation: ValidationRows | None = None
    pruning: PruningFacts | None = None
    task: Literal["classification", "regression"] = "classification"
    members: int = Field(default=1, ge=1, le=10_000)
    conformal: ConformalScores | None = None
    table: TableFacts | None = None


def read_description(text: bytes | None) -> ModelDescription | None:
    """Reads what a model file says about itself.

    Args:
        text: The member `denselab.json`, or None where there is none.

    Returns:
        The description, names without control characters; None where there is none.

    Raises:
        DataError: If it is no description, or one of a later format.
    """
    if text is None:
        return None
    try:
        return ModelDescription.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "all of it"
        raise DataError(
            f"describes itself in denselab.json as denselab never does ({clean_name(where)[:60]}: "
            f"{problem['msg'][:100]}); save it again, or use the denselab that wrote it"
        ) from error
