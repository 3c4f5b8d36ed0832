"""What a chat template does, read from its syntax tree; it is parsed and never rendered.

A template is a program that stands between what is typed and what the model is given, in every conversation. One can
carry an instruction that a word of the user's brings out, while the weights stay as they were ("Inference-Time Backdoors
via Hidden Instructions in LLM Chat Templates", 2026, arXiv:2602.04653).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

LONGEST_TEXT = 2_000
LONGEST_RUN = 200
_LONGEST_TEMPLATE = 500_000
_FEWEST_WORDS = 4
_FUNCTIONS = frozenset({"caller", "cycler", "dict", "joiner", "namespace", "raise_exception", "range", "strftime_now"})
_METHODS = frozenset(
    {
        *(
            "append",
            "capitalize",
            "changed",
            "count",
            "cycle",
            "endswith",
            "find",
            "get",
            "index",
            "isdigit",
            "isspace",
        ),
        *("items", "join", "keys", "lower", "lstrip", "replace", "rfind", "rsplit", "rstrip", "split", "splitlines"),
        *("startswith", "strip", "title", "upper", "values"),
    }
)
_SEARCHES = frozenset({"count", "endswith", "find", "index", "rfind", "startswith"})
_SAID = frozenset({"content", "text"})
_ELSEWHERE = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
_MARKUP = re.compile(r"[<>\[\]{}|▁＜＞#*`]")


class _Generation(Extension):
    """The block of transformers that marks what the assistant said."""

    tags = {"generation"}  # noqa: RUF012  # the base has it so

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


@dataclass
class Template:
    """``faults``: what no chat template needs, each as a person reads it; ``texts``: sentences that it adds by itself."""

    faults: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def read_template(text: str) -> Template:
    """The faults and the own sentences of a chat template."""
    found = Template()
    if hidden := sorted({f"U+{ord(c):04X}" for c in text if _invisible(c)}):
        found.faults.append(f"invisible characters ({', '.join(hidden)})")
    if len(text) > _LONGEST_TEMPLATE:
        found.faults.append(f"{len(text):,} characters, too long to be read")
        return found
    try:
        tree = Environment(  # never renders
            trim_blocks=True, lstrip_blocks=True, autoescape=True, extensions=["jinja2.ext.loopcontrols", _Generation]
        ).parse(text)
    except TemplateSyntaxError as error:
        found.faults.append(f"it is not Jinja: {error.message}")
        return found
    except RecursionError:
        found.faults.append("nested too deeply to be read")
        return found
    reader = _Reader({node.name for node in tree.find_all(nodes.Macro)}, _SAID | _aliases(tree))
    found.faults += dict.fromkeys(fault for node in _all(tree) for fault in reader.faults(node))
    found.texts = list(dict.fromkeys(_added(tree)))
    return found


def _all(node: nodes.Node) -> Iterator[nodes.Node]:
    """A node and all below it, without recursion: depth is the template's choice."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(reversed(list(one.iter_child_nodes())))


@dataclass(frozen=True)
class _Reader:
    """Knows a template's macros, and which names and attributes hold what was said."""

    macros: set[str]
    said: frozenset[str]

    def faults(self, node: nodes.Node) -> Iterator[str]:
        """Those of one node, without what stands below it."""
        if isinstance(node, nodes.Getattr | nodes.Getitem | nodes.Name):
            name = node.name if isinstance(node, nodes.Name) else _key(node)
            if name is not None and name.startswith("_"):
                yield f"reaches for {name}"
        elif isinstance(node, _ELSEWHERE):
            yield f"takes in another template ({type(node).__name__.lower()})"
        elif isinstance(node, nodes.Filter) and node.name == "attr":
            yield "reaches for an attribute by a name in a string (filter attr)"
        elif isinstance(node, nodes.Call):
            yield from self._call(node)
        elif isinstance(node, nodes.Compare):
            yield from self._comparison(node)
        elif isinstance(node, nodes.TemplateData):
            yield from _literal(node.data)
        elif (text := _word(node)) is not None:
            yield from (f"names {inner} in a string" for inner in re.findall(r"__[A-Za-z0-9]+__", text))
            yield from _literal(text)

    def _call(self, node: nodes.Call) -> Iterator[str]:
        called = node.node
        if isinstance(called, nodes.Name):
            if called.name not in _FUNCTIONS | self.macros:
                yield f"calls {called.name}()"
        elif isinstance(called, nodes.Getattr | nodes.Getitem):
            name = _key(called)
            if name is None or name not in _METHODS | self.macros:
                yield f"calls .{name or '(a computed name)'}()"
            elif name in _SEARCHES and _is_said(called.node, self.said):
                for argument in node.args:
                    yield from _condition(argument)
        else:
            yield "calls what another call gave"

    def _comparison(self, node: nodes.Compare) -> Iterator[str]:
        """Words that were said decide what the model is given: ``'word' in message.content``."""
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        if any(_is_said(side, self.said) for side in sides):
            for side in sides:
                for part in side.items if isinstance(side, nodes.List | nodes.Tuple) else [side]:
                    yield from _condition(part)


def _aliases(tree: nodes.Template) -> frozenset[str]:
    """Names that are given what was said."""
    found = _SAID
    for assign in tree.find_all(nodes.Assign):
        if _is_said(assign.node, found):
            target = assign.target
            name = target.attr if isinstance(target, nodes.NSRef) else getattr(target, "name", None)
            found |= {name} if isinstance(name, str) else set()
    return found


def _is_said(node: nodes.Node | None, said: frozenset[str]) -> bool:
    """Whether an expression is text of the conversation: ``content``, a part of it, or made from it."""
    while node is not None:
        if isinstance(node, nodes.Name):
            return node.name in said
        if isinstance(node, nodes.Getattr | nodes.Getitem):
            if (key := _key(node)) is not None:
                return key in said
            node = node.node  # by a number or a range
        elif isinstance(node, nodes.Filter):
            node = node.node
        elif isinstance(node, nodes.Call):
            node = node.node.node if isinstance(node.node, nodes.Getattr) else None
        elif isinstance(node, nodes.Concat):
            return any(_is_said(part, said) for part in node.nodes)
        elif isinstance(node, nodes.Add):
            return _is_said(node.left, said) or _is_said(node.right, said)
        else:
            return False
    return False


def _key(node: nodes.Getattr | nodes.Getitem) -> str | None:
    """The name in ``x.name`` and ``x['name']``."""
    return node.attr if isinstance(node, nodes.Getattr) else _word(node.arg)


def _condition(node: nodes.Node) -> Iterator[str]:
    text = (_word(node) or "").strip()
    if len(text) > 1 and not _MARKUP.search(text) and any(c.isalnum() for c in text):
        yield f"depends on the words “{text}” in the conversation"


def _word(node: object) -> str | None:
    return node.value if isinstance(node, nodes.Const) and isinstance(node.value, str) else None


def _literal(text: str) -> Iterator[str]:
    if len(text) > LONGEST_TEXT:
        yield f"holds one text of {len(text):,} characters"
    elif (longest := max((len(run) for run in text.split()), default=0)) > LONGEST_RUN:
        yield f"holds {longest:,} characters without a space"


def _added(tree: nodes.Template) -> Iterator[str]:
    """Texts of several words that the template puts into what the model is given; not its error messages."""
    errors = {
        id(part)
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name == "raise_exception"
        for part in _all(call)
    }
    for node in _all(tree):
        if id(node) in errors:
            continue
        text = node.data if isinstance(node, nodes.TemplateData) else _word(node)
        if text and len(re.findall(r"[^\W\d_]{2,}", re.sub(r"<[^<>]*>", " ", text))) >= _FEWEST_WORDS:
            yield " ".join(text.split())


def _invisible(character: str) -> bool:
    """Formatting characters, which take no place: zero widths, changes of direction, tags; not joiners of scripts."""
    return unicodedata.category(character) == "Cf" and character not in "\u200c\u200d\u00ad"
