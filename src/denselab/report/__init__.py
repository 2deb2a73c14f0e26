"""Reports of studies and pictures from plain arrays: reads no model, needs neither JAX nor Keras."""

from denselab.report.assemble import contents_of
from denselab.report.contents import Contents
from denselab.report.drawing import chart_html, chart_png, chart_svg, save_chart
from denselab.report.markdown import markdown_of
from denselab.report.microscope import microscope_chart
from denselab.report.notable import Reason, RowPanel, notable_rows, row_chart
from denselab.report.page import page_of, write_report
from denselab.report.pictures import write_pictures
from denselab.report.reliability import Reliability, reliability_chart
from denselab.report.uncertainty import comparison_chart, draws_chart

__all__ = [
    "Contents",
    "Reason",
    "Reliability",
    "RowPanel",
    "chart_html",
    "chart_png",
    "chart_svg",
    "comparison_chart",
    "contents_of",
    "draws_chart",
    "markdown_of",
    "microscope_chart",
    "notable_rows",
    "page_of",
    "reliability_chart",
    "row_chart",
    "save_chart",
    "write_pictures",
    "write_report",
]
