"""Pictures from plain arrays: reads no model, needs neither JAX nor Keras."""

from denselab.report.drawing import chart_html, chart_png, chart_svg, save_chart
from denselab.report.notable import Reason, RowPanel, notable_rows, row_chart
from denselab.report.reliability import Reliability, reliability_chart
from denselab.report.uncertainty import comparison_chart, draws_chart

__all__ = [
    "Reason",
    "Reliability",
    "RowPanel",
    "chart_html",
    "chart_png",
    "chart_svg",
    "comparison_chart",
    "draws_chart",
    "notable_rows",
    "reliability_chart",
    "row_chart",
    "save_chart",
]
