"""The forms that a report has, each by its word. Nothing slow is imported, so that a command line may ask first."""

from typing import Literal, get_args

FileFormat = Literal["json", "csv", "markdown", "html"]
ReportFormat = Literal["table", FileFormat]
REPORT_FORMATS: tuple[ReportFormat, ...] = get_args(ReportFormat)
SUFFIXES: dict[ReportFormat, str] = {"json": "json", "csv": "csv", "markdown": "md", "html": "html", "table": "txt"}
"""How a file in each form ends."""
