"""Warnings: what is no mistake, and probably a slip. Computed by `archdsl check` alone, of specs without a mistake."""

from .warn import warnings

__all__ = ["warnings"]
