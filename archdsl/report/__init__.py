"""Analysis -> what is shown: a table for the terminal, an object for programs, diagnostics for facts that fail."""

from .facts import fact_diagnostic, facts_line
from .json_report import SCHEMA, json_object, json_text
from .table import analysis_table

__all__ = ["SCHEMA", "analysis_table", "fact_diagnostic", "facts_line", "json_object", "json_text"]
