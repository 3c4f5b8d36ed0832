"""Probes that a user writes without code: a YAML file with items, wordings, and how to score the answers."""

from probes.custom.definition import Definition
from probes.custom.kinds import custom_probe
from probes.custom.source import TABLES, file_rows, made_items

__all__ = ["TABLES", "Definition", "custom_probe", "file_rows", "made_items"]
