"""The doctor: what is wrong with a Keras model and its data, and what to do about it.

`diagnose` is the front door: it gathers the facts of a setup once (`facts`) and lets every check of
the one table (`table`) look at them. A check is a pure function under a card that describes it
(`check`); it gives findings (`finding`).
"""

from denselab.doctor.check import Card, Check, Found
from denselab.doctor.diagnose import Diagnosis, diagnose
from denselab.doctor.facts.gather import Request, gather
from denselab.doctor.facts.setup import Setup
from denselab.doctor.finding import SEVERITIES, Finding, Severity
from denselab.doctor.table import CHECKS

__all__ = [
    "CHECKS",
    "SEVERITIES",
    "Card",
    "Check",
    "Diagnosis",
    "Finding",
    "Found",
    "Request",
    "Setup",
    "Severity",
    "diagnose",
    "gather",
]
