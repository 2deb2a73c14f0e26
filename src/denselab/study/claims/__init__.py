"""Claims: statements about techniques, decided by experiments on the data at hand.

A claim is a file in `catalogue/`, or anybody's own. `run.py` trains and measures, and opens the rooms it needs
for that inside its functions; everything else is plain data and pure rules.
"""

from denselab.study.claims.activations import put_activations
from denselab.study.claims.claim import Claim, Judgement, Outcome
from denselab.study.claims.evidence import Evidence
from denselab.study.claims.loading import Values, claim_names, load_claim, load_claims
from denselab.study.claims.planning import ClaimsPlan, plan_claims
from denselab.study.claims.rules import decide_part
from denselab.study.claims.run import ClaimsResult, run_claims

__all__ = [
    "Claim",
    "ClaimsPlan",
    "ClaimsResult",
    "Evidence",
    "Judgement",
    "Outcome",
    "Values",
    "claim_names",
    "decide_part",
    "load_claim",
    "load_claims",
    "plan_claims",
    "put_activations",
    "run_claims",
]
