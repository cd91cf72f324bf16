"""Sections -> spec: each section checked by itself."""

from .model import UNITS, Cell, Column, Definition, Link, Map, Names, Spec, Table
from .reading import read_cell, read_map, read_spec, read_table

__all__ = [
    "UNITS", "Cell", "Column", "Definition", "Link", "Map", "Names", "Spec", "Table", "read_cell", "read_map", "read_spec",
    "read_table",
]  # fmt: skip
