"""Studies: recipes compared over seeds, kept in a folder that can be resumed and read anywhere.

Only `compare.py` trains. Everything else reads records, and needs neither JAX nor Keras.
"""

from denselab.study.arms import arms_of, missing_seeds, recipes_of
from denselab.study.compare import compare_recipes
from denselab.study.judgement import Asked, judged, looks
from denselab.study.manifest import Manifest, Run, manifest_for
from denselab.study.models import CompareOptions, Comparison, compare
from denselab.study.plan import (
    BuiltModel,
    Plan,
    default_folder,
    plan_hash,
    plan_study,
    with_sources,
)
from denselab.study.reading import (
    Study,
    is_study,
    read_file,
    read_predictions,
    read_study,
    read_weights,
)
from denselab.study.records import (
    ArmRecord,
    RecipeRecord,
    ScoresRecord,
    StoredFile,
    TrialRecord,
    best_trial,
)
from denselab.study.store import Store, open_study
from denselab.study.summary import RecipeSummary, Spread, Summary, TimeToTarget, summarize
from denselab.study.tuning import Tuning
from denselab.study.verdict import study_rows, study_verdicts

__all__ = [
    "ArmRecord",
    "Asked",
    "BuiltModel",
    "CompareOptions",
    "Comparison",
    "Manifest",
    "Plan",
    "RecipeRecord",
    "RecipeSummary",
    "Run",
    "ScoresRecord",
    "Spread",
    "Store",
    "StoredFile",
    "Study",
    "Summary",
    "TimeToTarget",
    "TrialRecord",
    "Tuning",
    "arms_of",
    "best_trial",
    "compare",
    "compare_recipes",
    "default_folder",
    "is_study",
    "judged",
    "looks",
    "manifest_for",
    "missing_seeds",
    "open_study",
    "plan_hash",
    "plan_study",
    "read_file",
    "read_predictions",
    "read_study",
    "read_weights",
    "recipes_of",
    "study_rows",
    "study_verdicts",
    "summarize",
    "with_sources",
]
