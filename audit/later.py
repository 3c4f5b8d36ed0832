"""Modules of ours that are imported when they are first used.

Importing torch and transformers takes seconds, and neither help nor completion needs them. A module that stands before
every command names a heavy one twice: for the type checker as any import, and at run time by ``later``. Both stand at the
top, so that the table of allowed edges sees them. The standard library's ``LazyLoader`` will not do: it puts modules
into ``sys.modules`` before their time, and whoever goes over these (torch does, through ``inspect``) imports them all.
"""

from __future__ import annotations

import gc
from importlib import import_module
from types import ModuleType
from typing import Any

SELDOM, USUAL = (100_000, 50, 100), (700, 10, 10)  # what gc counts before it looks at young, older and all objects


class _Later(ModuleType):
    """Stands for a module: hands on what is asked of it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def collect_seldom() -> None:
    """Let the garbage collector of a process of our own run seldom, until :func:`collect_as_usual`.

    Importing torch and transformers makes a million objects that stay; at the collector's usual pace, going over them
    again and again takes three quarters of a second before a model is open.
    """
    gc.set_threshold(*SELDOM)


def collect_as_usual() -> None:
    """Back to the usual pace, where it was left, so that what an audit drops is found before it has grown large.

    What is there by now is taken to stay, and is not gone over any more. A process that never called
    :func:`collect_seldom`, such as a notebook's, is its user's and left alone.
    """
    if gc.get_threshold()[:2] == SELDOM[:2]:
        gc.freeze()
        gc.set_threshold(*USUAL)


def later(name: str) -> ModuleType:
    """The module of that full name; its code runs when something of it is first asked for."""
    return _Later(name)
