"""Mutated specs through the whole line."""
