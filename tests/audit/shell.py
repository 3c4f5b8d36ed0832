"""The ``audit`` command as the shell calls it, in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from audit.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: object
    out: str
    err: str

    @property
    def told(self) -> list[str]:
        """Lines of standard error that say something."""
        return [line for line in self.err.splitlines() if line.strip()]


Command = Callable[..., Done]


def entry_point(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *first: str) -> Command:
    """What runs ``audit`` with ``first`` and the arguments that it is given."""

    def called(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["audit", *first, *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capfd.readouterr()
        return Done(stop.value.code or 0, out, err)

    return called
