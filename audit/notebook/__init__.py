"""What an audit is in Python and in a notebook: tables, figures, its card, and records that can be asked about again."""

from audit.notebook.plot import Plot
from audit.notebook.record import RecordView, RecordViews
from audit.notebook.result import Result, load

__all__ = ["Plot", "RecordView", "RecordViews", "Result", "load"]
