"""What the engine says while it works: to a terminal, or to nobody."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text


class Progress(Protocol):
    """Receives what is going on."""

    def say(self, message: str) -> None:
        """A line about a step."""
        ...

    def begin(self, label: str, total: int) -> None:
        """A stretch of ``total`` requests begins."""
        ...

    def advance(self, done: int) -> None:
        """``done`` more requests are finished and on disk."""
        ...


class Silent:
    """Says nothing."""

    def say(self, message: str) -> None:
        """Nothing."""

    def begin(self, label: str, total: int) -> None:
        """Nothing."""

    def advance(self, done: int) -> None:
        """Nothing."""


class _Rate(ProgressColumn):
    """Requests a second, once there is a speed."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


class Terminal:
    """Bars with items done, rate and time left, on standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._bars.stop()

    def say(self, message: str) -> None:
        """A line above the bars; markup in it is not interpreted."""
        self._console.print(message, markup=False, highlight=False)

    def begin(self, label: str, total: int) -> None:
        """A new bar; drawing starts with the first one, so that a mistake in the config is not told below empty lines."""
        self._bars.start()
        self._task = self._bars.add_task(label, total=total)

    def advance(self, done: int) -> None:
        """Move the current bar."""
        if self._task is not None:
            self._bars.advance(self._task, done)
