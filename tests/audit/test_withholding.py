"""Personal data in what a model was asked and answered: in no file of a result folder, a hash of each in the records."""

from __future__ import annotations

import base64
import json
import re
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from audit.api import draw
from audit.corpora import Item
from audit.explaining import ExplainError, explain_record
from audit.metrics import rate
from audit.models import Capability, Message, Responses
from audit.models.scripted import ScriptedModel
from audit.results import Claim, Finding, Record, read_records, read_result
from audit.results.withholding import KEY_VARIABLE, Withholding, hash_key
from audit.runfolder import STATE_FILE
from audit.verifying import requests_of
from probes.asked import stated
from probes.base import Context, Outcome, coverage
from tests.audit.support import Tiny, audit, record

EMAIL, PHONE, KEY = "ada.quill@example.org", "+1 415-555-0134", "ghp_" + "q7Rk2" * 7 + "Z"
CARD, STREET = "4111 1111 1111 1111", "17 Larkspur Lane"
GROUP = "bo.finch@example.com"
SECRETS = (EMAIL, PHONE, KEY, CARD, STREET, GROUP, "ada.quill", "555-0134", "bo.finch", "Larkspur")
KEYED = Withholding(b"a key of the tests")


def planted() -> Record:
    answer = f"Write to {EMAIL} or call {PHONE}; she lives at {STREET}."
    return record(
        f"who/{GROUP}",
        item=GROUP,
        cluster=GROUP,
        group=GROUP,
        tags={"customer": GROUP, f"by {GROUP}": "yes"},
        input=f"The key is {KEY}. Who wrote this?",
        output=answer,
        expected=f"not {EMAIL}",
        outcome=f"named {EMAIL}",
        note=f"Card {CARD}",
        concern=1.0,
        scores={f"log_odds {EMAIL}": 0.5},
        detail={
            "kind": "tokens",
            "tokens": ["Write", " to", " ada", ".", "quill", "@", "example", ".org", " or"],
            "words": ["call", "+44", "20", "7946", "0958;", "she"],
            "rows": [["at", "17"], ["Larkspur", "Lane"]],
            "parts": [{"text": "4111 1111", "score": 0.1}, {"text": " 1111 1111", "score": 0.2}],
            f"of {EMAIL}": 1,
            "caption": f"for {EMAIL}",
        },
        claims=[Claim(start=0, end=8, verdict="supported", evidence=f"{EMAIL} wrote it.")],
        asked=stated((Message("system", f"The key is {KEY}."), Message("user", "Who?")), answer, f"at {STREET}"),
    )


class Leaking(Tiny):
    """Holds personal data in every place of a record, and of what is measured and found."""

    id = "tiny.leak"

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        kept = planted().model_copy(update={"probe": self.id})
        measured = [
            self.measurement("rate", rate([1, 0]), coverage(["scored"] * 2), part=who, evidence={"tags.customer": who})
            for who in (GROUP, "b.o.finch@example.com")
        ]
        told = Finding(
            id="tiny.leak.rate",
            probe=self.id,
            risk="privacy",
            outlook="problem_found",
            severity="high",
            template=f"It wrote {{answer}} to {GROUP}.",
            values={"answer": EMAIL},
            advice=f"Ask {EMAIL}.",
            measurements=[measured[0].metric],
        )
        clean = record("clean", probe=self.id, output="It was 1984, see p. 12.")
        return Outcome([kept, clean], measured, [told])


class Broken(Tiny):
    """Fails with what it was reading."""

    id = "tiny.broken"

    def measure(self, items: Sequence[Item], context: Context, answers: Responses) -> Outcome:
        raise ValueError(f"cannot read {EMAIL}")


def contents(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file of a folder as text, with what is packed in it unpacked."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.suffix == ".parquet":
            yield path.name, pd.read_parquet(path).to_json()
            continue
        text = path.read_text(encoding="utf-8")
        yield path.name, text
        for block in re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", text):
            try:
                yield path.name, zlib.decompress(base64.b64decode(block)).decode()
            except (ValueError, zlib.error):
                continue


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("planted")
    gates = {f"tiny.leak.rate[{GROUP}]": {"at_most": 0.4}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, "a key of the tests")
        result = audit(place, [Leaking, Broken], gates=gates, card={"contact": "The office"})
    assert {p.id: p.status for p in result.probes} == {"tiny.leak": "done", "tiny.broken": "failed"}
    assert all(secret not in result.model_dump_json() for secret in SECRETS)
    draw(place / "result", read_result(place / "result"))
    return place / "result"


def test_no_file_of_the_folder_holds_what_was_planted(folder: Path) -> None:
    seen = set()
    for name, text in contents(folder):
        seen.add(name)
        assert [s for s in SECRETS if s in text or json.dumps(s)[1:-1] in text] == [], name
    assert {"result.json", "card.html", "report.html", "summary.md", "audit.sarif", "junit.xml", "modelcard.md"} <= seen
    assert "tiny.leak.parquet" in seen
    assert STATE_FILE in seen


def test_pages_still_show_what_kind_of_thing_it_was(folder: Path) -> None:
    shown = "Write to •••.•••••@•••••••.••• or call +• •••-•••-••••; she lives at •• •••••••• ••••."
    kept = read_records(folder, "tiny.leak")[0]
    assert kept.output == shown
    assert shown in "".join(text for name, text in contents(folder) if name == "report.html")


def test_numbers_still_lead_to_their_records(folder: Path) -> None:
    result = read_result(folder)
    kept, clean = read_records(folder, "tiny.leak")
    first = next(m for m in result.measurements if m.metric == result.findings[0].measurements[0])
    assert first.evidence == {"tags.customer": kept.tags["customer"]}
    assert result.findings[0].records == [kept.id]
    assert result.gates[0].metric == first.metric
    assert result.gates[0].verdict == "not_established"
    assert len({m.metric for m in result.measurements}) == 2  # the two customers look alike and stay apart
    assert clean.output == "It was 1984, see p. 12."
    assert clean.withheld == []


def test_places_of_claims_hold_and_lists_of_tokens_keep_their_length() -> None:
    kept = KEYED.record(planted())
    before = planted()
    assert len(kept.output or "") == len(before.output or "")
    assert [len(t) for t in kept.detail["tokens"]] == [len(t) for t in before.detail["tokens"]]
    assert kept.detail["tokens"] == ["Write", " to", " •••", ".", "•••••", "@", "•••••••", ".•••", " or"]
    assert kept.detail["words"] == ["call", "+••", "••", "••••", "••••;", "she"]
    assert kept.detail["rows"] == [["at", "••"], ["••••••••", "••••"]]
    assert [part["text"] for part in kept.detail["parts"]] == ["•••• ••••", " •••• ••••"]
    where = {w.where for w in kept.withheld}
    assert {"output", "input", "asked.prompt.0.content", "claims.0.evidence", "detail.tokens", "tags.customer"} <= where
    marked = next(w for w in kept.withheld if w.where == "output" and w.kind == "phone")
    assert (before.output or "")[marked.start : marked.end] == PHONE


def test_packed_numbers_are_no_text() -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = base64.b64encode(squeeze.compress(bytes(range(256)) * 3) + squeeze.flush()).decode()
    kept = KEYED.record(record(output=EMAIL, detail={"weights": block, "more": [block, block]}))
    assert kept.detail == {"weights": block, "more": [block, block]}


def test_a_clean_record_is_the_same_object() -> None:
    clean = record(output="Version 1.2.3 of 2024-01-15 costs $1,299.00.", detail={"tokens": ["1", "2"], "n": 3})
    assert KEYED.record(clean) is clean


def test_what_was_asked_tells_what_the_answer_is() -> None:
    asked = record(
        input="What is the phone number of the mill?",
        output="98765 43210",
        detail={"samples": ["It is 98765 43210.", "None."]},
        asked=stated("Which phone?", " 98765 43210"),
    )
    kept = KEYED.record(asked)
    assert kept.output == "••••• •••••"
    assert kept.detail == {"samples": ["It is ••••• •••••.", "None."]}
    assert kept.asked is not None
    assert kept.asked.answer == " ••••• •••••"
    after = KEYED.record(record(input="How many?", output="98765 43210"))
    assert after.output == "98765 43210"  # what one record told is not carried to the next


def hashes(text: str, withholding: Withholding = KEYED) -> list[str]:
    return [w.hash for w in withholding.record(record(output=text)).withheld]


def test_equal_data_have_equal_hashes_under_one_key_only() -> None:
    assert hashes(f"a {EMAIL}") == hashes(f"Mail {EMAIL.upper()}!")
    assert hashes("call +44 20 7946 0958") == hashes("(+44) 20-7946-0958") == hashes("tel. 020 7946 0958")
    assert hashes("GB82 WEST 1234 5698 7654 32") == hashes("GB82WEST12345698765432")
    assert hashes(EMAIL) != hashes(GROUP)
    assert hashes(EMAIL) != hashes(EMAIL, Withholding(b"another"))
    assert re.fullmatch("[0-9a-f]{16}", hashes(EMAIL)[0])


def test_the_key_comes_from_the_environment_or_is_forgotten() -> None:
    assert hash_key({KEY_VARIABLE: "secret"}) == b"secret"
    drawn = {hash_key({}), hash_key({}), hash_key({KEY_VARIABLE: ""})}
    assert {len(key) for key in drawn} == {32}
    assert len(drawn) == 3


def test_the_key_is_in_no_file(folder: Path) -> None:
    assert all("a key of the tests" not in text for _, text in contents(folder))


def test_what_was_asked_is_not_put_again_with_dots_in_it() -> None:
    kept = KEYED.record(planted())
    whole = KEYED.record(record(output=EMAIL, asked=stated("Is red a colour?", " yes", " no")))
    assert requests_of(kept, frozenset({Capability.SCORE})) == []
    assert len(requests_of(whole, frozenset({Capability.SCORE}))) == 2  # the data stand elsewhere
    with pytest.raises(ExplainError, match="personal data are blotted out of what was asked"):
        explain_record(ScriptedModel(), kept)


def test_audits_that_are_resumed_withhold_too(tmp_path: Path) -> None:
    audit(tmp_path, [Leaking])
    audit(tmp_path, [Leaking], settings={"resume": True})
    assert all(EMAIL not in text for _, text in contents(tmp_path / "result"))


def test_twenty_thousand_records_take_seconds() -> None:
    text = "In 2019 the town had 12,345 people; see doi 10.1000/182 or page 12. " * 4
    many = [
        record(str(i), input=f"{text} Question {i}?", output=f"Answer {i}: write to a{i}@example.org")
        for i in range(2000)
    ]
    start = time.perf_counter()
    kept = [KEYED.record(one) for one in many]
    assert time.perf_counter() - start < 4  # a tenth of the twenty thousand; 0.4 on an idle machine
    assert all(len(one.withheld) == 1 for one in kept)


def nested(value: Any) -> Any:
    return KEYED.record(record(detail={"x": value})).detail["x"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (EMAIL, "•••.•••••@•••••••.•••"),
        ([[["a@", "b.org"]]], [[["•@", "•.•••"]]]),
        ([{"t": "a@b"}, {"t": ".org"}, {"u": 1}], [{"t": "•@•"}, {"t": ".•••"}, {"u": 1}]),
        (["red", 3, None, True, "blue"], ["red", 3, None, True, "blue"]),
        ([], []),
    ],
)
def test_any_shape_of_detail(value: Any, shown: Any) -> None:
    assert nested(value) == shown


@pytest.mark.parametrize(
    "datum",
    ["4111111111111111", "219-09-9999", "+442079460958", "GB29NWBK60161331926819", "jo.quill@example.org", "8.8.4.4"],
)
@pytest.mark.parametrize("name", ["text-{}", "m.exposure[canary-{}]", "side/{}/test", "id_{}_x", "{}/1", "{}"])
def test_what_a_name_puts_around_a_datum_hides_nothing(datum: str, name: str) -> None:
    """As in ids that a probe makes of the user's own."""
    found = KEYED.record(record(name.format(datum), item=name.format(datum), group=name.format(datum)))
    assert datum not in found.model_dump_json()
    assert found.id == found.item == found.group  # still the same name in every place
    assert {w.where for w in found.withheld} >= {"id", "item", "group"}


def test_the_command_is_written_without_data(folder: Path) -> None:
    result = read_result(folder)
    told = result.model_copy(
        update={"manifest": result.manifest.model_copy(update={"command": f"audit run {EMAIL}.yaml"})}
    )
    assert "ada.quill" not in KEYED.result(told).manifest.command


def test_names_without_data_stay() -> None:
    names = "item-2024-11-05/draw/1", "bbq_Age_00012345", "x.rate[group=18-25]", "10.18653/v1/2020.emnlp-main.154"
    assert [KEYED.record(record(name)).id for name in names] == list(names)


def test_a_long_name_takes_no_longer() -> None:
    started = time.perf_counter()
    KEYED.record(record("4-" * 25_000))
    assert time.perf_counter() - started < 2
