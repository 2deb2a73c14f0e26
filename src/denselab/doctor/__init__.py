"""The doctor: what is wrong with a Keras model and its data, and what to do about it.

`diagnose` is the front door: it gathers the facts of a setup once (`facts`) and lets every check of
the one table (`table`) look at them. A check is a pure function under a card that describes it
(`check`); it gives findings (`finding`). `probe` tries a few steps before training, the callback `Doctor`
watches one, `check_history` reads what is left of one.
"""

from denselab.doctor.check import Card, Check, Found
from denselab.doctor.diagnose import LookOptions, diagnose
from denselab.doctor.diagnosis import Diagnosis
from denselab.doctor.facts.gather import Request, gather
from denselab.doctor.facts.setup import Setup
from denselab.doctor.finding import SEVERITIES, Finding, Severity
from denselab.doctor.history import check_history, check_population
from denselab.doctor.probing import observe, probe
from denselab.doctor.table import CHECKS
from denselab.doctor.watching.callback import Doctor, DoctorWarning

__all__ = [
    "CHECKS",
    "SEVERITIES",
    "Card",
    "Check",
    "Diagnosis",
    "Doctor",
    "DoctorWarning",
    "Finding",
    "Found",
    "LookOptions",
    "Request",
    "Setup",
    "Severity",
    "check_history",
    "check_population",
    "diagnose",
    "gather",
    "observe",
    "probe",
]
