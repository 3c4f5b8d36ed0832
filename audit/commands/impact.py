"""``audit init --impact``: asks for what only people know, and writes it under ``card`` in ``model.yaml``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from audit.commands.ends import INCOMPLETE, USAGE, stop
from audit.declared import QUESTIONS, CardConfig, statements
from audit.results import write_text
from audit.yamladd import added, lines

_WIDTH = 88


def init_impact(file: Path, fresh: str, card: CardConfig | None) -> None:
    """Ask, and write ``file``: ``fresh`` with the answers or, where it is there with ``card``, what it lacks added to it.

    Nothing is written before the last question is answered or skipped.
    """
    said = {key for key, statement in statements(card) if statement is not None} if card else set()
    open_ = [key for key in QUESTIONS if key not in said]
    if not open_:
        print(f"{file} answers every question already; nothing was changed.")
        return
    try:
        answers = _ask(file, open_, len(said & QUESTIONS.keys()), new=card is None)
    except KeyboardInterrupt:
        stop("\nStopped. Nothing was written.", INCOMPLETE)
    except UnicodeDecodeError:
        stop("The answers are not text in UTF-8.", USAGE)
    if not answers and card is not None:
        print(f"No answers, so {file} is as it was.")
        return
    before = fresh if card is None else file.read_bytes().decode("utf-8")
    after = added(before, {"card": _nested(answers)}, _comment) if answers else before
    if after is None:
        print(f"\nThe card of {file} is written in a way that cannot be added to. Put this into it by hand:\n")
        print("\n".join(lines({"card": _nested(answers)}, _comment)))
        return
    if card is None:
        write_text(file, after)
    else:
        _replace(file, after)
    print(f"\nWrote {len(answers)} of {len(open_)} answers to {file}; the card says what is missing.")
    print(f"Next: audit validate {file}")


def _ask(file: Path, keys: Iterable[str], before: int, new: bool) -> dict[str, str]:
    """The answers by key. An empty one skips its question; the end of the input skips the rest."""
    keys = list(keys)
    _tell(
        f"{len(keys)} questions about the system, its data and the people it concerns. The card prints the answers as the "
        "owner's words, never as measured, and says what is missing. No score is made of them."
    )
    if not new:
        have = f"{before} questions are answered in it and are not asked. " if before else ""
        _tell(f"{file} is there: answers are added to its card, and nothing else in it changes. {have}".rstrip())
    _tell("Enter skips a question, Ctrl-D skips the rest, Ctrl-C ends without writing.")
    answers: dict[str, str] = {}
    for number, key in enumerate(keys, start=1):
        question, hint = QUESTIONS[key]
        print(f"\n{number}/{len(keys)}  {question}")
        _tell(hint, "    ")
        try:
            answer = _clean(input("  > "))
        except EOFError:
            print()
            break
        if answer:
            answers[key] = answer
    return answers


def _tell(words: str, margin: str = "") -> None:
    print(textwrap.fill(words, _WIDTH, initial_indent=margin, subsequent_indent=margin))


def _clean(answer: str) -> str:
    """One line of text without control characters, which a terminal sends for keys that mean nothing here."""
    text = answer.encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _nested(answers: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {key: text for key, text in answers.items() if "." not in key}
    impact = {key.partition(".")[2]: text for key, text in answers.items() if "." in key}
    return found | ({"impact": impact} if impact else {})


def _comment(place: tuple[str, ...]) -> str | None:
    question = QUESTIONS.get(".".join(place[1:]))
    return question[0] if question else None


def _replace(file: Path, text: str) -> None:
    """The whole new file or the old one, with its line ends as they are; a link stays a link."""
    target = file.resolve()
    temporary = target.with_name(f".{target.name}.part")
    temporary.write_bytes(text.encode("utf-8"))
    temporary.chmod(target.stat().st_mode & 0o7777)
    temporary.replace(target)
