"""model.yaml: what is accepted, and one sentence with the right line for each mistake."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from audit.config import (
    AuditConfig,
    CardConfig,
    ConfigError,
    GateConfig,
    ModelConfig,
    ProbeEntry,
    RunConfig,
    chosen_probes,
    config_schema,
    load_config,
    read_options,
    starter,
)
from audit.planning import catalogue
from probes.judges import JudgedOptions
from probes.misinformation.fabrication import FabricationOptions
from probes.registry import find_probes

MODEL = "model: {source: some/model}\n"


class Order(enum.Enum):
    """An option that is not plain JSON."""

    FIRST = "first"
    LAST = "last"


class Sampling(BaseModel):
    """A block within options."""

    temperature: float = Field(0.0, ge=0, description="Heat.")
    seeds: list[int] = Field(default_factory=list, description="Seeds.")


class BbqOptions(BaseModel):
    """Options as a probe may state them: frozen, with tuples, enums, unions and a rule of its own."""

    model_config = ConfigDict(frozen=True)

    categories: tuple[str, ...] = Field((), description="Categories.")
    limit: int | None = Field(None, gt=0, description="Items.")
    order: Order = Field(Order.FIRST, description="Order.")
    pick: int | list[str] = Field(0, description="A number or names.")
    sampling: Sampling | None = Field(None, description="Sampling.")

    @field_validator("categories")
    @classmethod
    def _no_doubles(cls, categories: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(categories)) < len(categories):
            raise ValueError("a category is given\ntwice")
        return categories


class PlainOptions(BaseModel):
    """Options with a key that must be given."""

    wordings: Literal["one", "all"] = Field(description="Wordings.")


CATALOGUE = {
    "bias.bbq": ProbeEntry(("accuracy", "ambiguous_bias"), BbqOptions),
    "bias.crows": ProbeEntry(("rate",), Sampling),
    "hallucination.truthfulqa": ProbeEntry(("mc1", "mc2"), PlainOptions),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


def load(folder: Path, text: str) -> AuditConfig:
    path = folder / "model.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return load_config(path, CATALOGUE)


def problems(folder: Path, text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return [(problem.line, problem.message) for problem in caught.value.problems]


def test_the_smallest_config(folder: Path) -> None:
    assert load(folder, MODEL) == AuditConfig(model=ModelConfig(source="some/model"))


def test_a_whole_config(folder: Path) -> None:
    config = load(
        folder,
        """
model: {source: a/b, revision: "0123", adapter: ./x, task: causal-lm, device: "cuda:1", dtype: bfloat16,
        chat_template: true, sensitive: [race], trust_remote_code: true}
card: {name: N, owner: O, intended_use: I, out_of_scope: U, training_data: T, licence: L, contact: C}
suite: quick
probes:
  bias.bbq: {categories: [Age], limit: 5, order: last, sampling: {temperature: 1}}
  bias.crows:
gates:
  bias.bbq.ambiguous_bias: {at_most: 1}
  bias.bbq.accuracy[Age]: {at_least: 0.3, no_worse_than_baseline: 0}
run: {seed: 7, confidence: 0.9, on_inconclusive: fail, batch_tokens: 512}
""",
    )
    assert config.model.device == "cuda:1"
    assert config.card.contact == "C"
    assert list(config.probes) == ["bias.bbq", "bias.crows"]
    assert config.probes["bias.crows"] == {}
    assert config.gates["bias.bbq.ambiguous_bias"] == GateConfig(at_most=1.0)
    assert config.run == RunConfig(seed=7, confidence=0.9, on_inconclusive="fail", batch_tokens=512)
    options = read_options(CATALOGUE["bias.bbq"], config.probes["bias.bbq"])
    assert isinstance(options, BbqOptions)
    assert options.categories == ("Age",)
    assert options.order is Order.LAST


def test_empty_blocks_are_as_none(folder: Path) -> None:
    config = load(folder, MODEL + "card:\nprobes:\ngates:\nrun:\n")
    assert config == load(folder, MODEL)
    assert config.card == CardConfig()


# fmt: off
# The tables of mistakes: a text, whose last line has the mistake, and the sentence for it.
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("suite: quick", 'the key "model" is missing'),
        ("suite: quick\nmodel: {}", 'the key "source" is missing in model'),
        ("modle: {source: x}", 'unknown key "modle"; did you mean "model"?'),
        ("model:", "model must be a block of keys, but it is empty"),
        ("model: gpt2", 'model must be a block of keys, not the text "gpt2"'),
        ("model:\n  sorce: x", 'unknown key "sorce" in model; did you mean "source"?'),
        ("model:\n  source: ''", "model.source must be text of 1 or more characters, but it is empty"),
        ("model:\n  source: 12", "model.source must be text, not 12; put it in quotes"),
        ("model: {source: x,\n  revision: 1234567}", "model.revision must be text, not 1234567; put it in quotes"),
        ("model: {source: x,\n  task: causallm}",
         'model.task must be "causal-lm", "masked-lm", "seq2seq-lm", "text-classification", "feature-extraction" '
         'or "tabular", not the text "causallm"; did you mean "causal-lm"?'),
        ("model: {source: x,\n  device: gpu}",
         'model.device must be "auto", "cpu", "mps", "cuda" or one such as "cuda:0", not the text "gpu"'),
        ("model: {source: x,\n  trust_remote_code: yes}",
         'model.trust_remote_code must be true or false, not the text "yes"'),
        ("model: {source: x,\n  sensitive: race}", 'model.sensitive must be a list, not the text "race"'),
        ("model:\n  source: x\n  sensitive:\n  - a\n  - 3", "model.sensitive[1] must be text, not 3; put it in quotes"),
        (MODEL + "no: 1", 'unknown key "no"; the keys here are model, card, judges, suite, probes, gates, run'),
        (MODEL + "suite: ful", 'suite must be "quick", "standard" or "full", not the text "ful"; did you mean "full"?'),
        (MODEL + "suite:", 'suite must be "quick", "standard" or "full", but it is empty'),
        (MODEL + "card:\n  name: {a: 1}", "card.name must be text, not a block of keys"),
        (MODEL + "run: {\n  seed: '5'}", 'run.seed must be a whole number, not the text "5"'),
        (MODEL + "run: {\n  seed: true}", "run.seed must be a whole number, not true"),
        (MODEL + "run: {\n  seed: -1}", "run.seed must be at least 0, not -1"),
        (MODEL + "run:\n  confidence: 95", "run.confidence must be less than 1, not 95"),
        (MODEL + "run:\n  confidence: 0.5", "run.confidence must be more than 0.5, not 0.5"),
        (MODEL + "run:\n  on_inconclusive: off", 'run.on_inconclusive must be "warn" or "fail", not the text "off"'),
        (MODEL + "run: [1]", "run must be a block of keys, not a list"),
    ],
)
def test_a_mistake_in_the_blocks(folder: Path, text: str, message: str) -> None:
    assert problems(folder, text) == [(text.count("\n") + 1, message)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("probes: [bias.bbq]", "probes must be a block of keys, not a list"),
        ("probes:\n  bias.bqq:", 'unknown probe "bias.bqq"; did you mean "bias.bbq"? (`audit probes` lists them)'),
        ("probes:\n  zzz:", 'unknown probe "zzz" (`audit probes` lists them)'),
        ("probes:\n  bias.bbq: 3", "probes.bias.bbq must be a block of keys, not 3"),
        ("probes:\n  bias.bbq:\n    limits: 3", 'unknown key "limits" in probes.bias.bbq; did you mean "limit"?'),
        ("probes:\n  bias.bbq:\n    limit: '3'", 'probes.bias.bbq.limit must be a whole number, not the text "3"'),
        ("probes:\n  bias.bbq:\n    limit: 0", "probes.bias.bbq.limit must be more than 0, not 0"),
        ("probes:\n  bias.bbq:\n    categories: Age", 'probes.bias.bbq.categories must be a list, not the text "Age"'),
        ("probes:\n  bias.bbq:\n    categories: [a, a]", "probes.bias.bbq.categories: a category is given twice"),
        ("probes:\n  bias.bbq:\n    order: frist",
         'probes.bias.bbq.order must be "first" or "last", not the text "frist"; did you mean "first"?'),
        ("probes:\n  bias.bbq:\n    pick: {}",
         "probes.bias.bbq.pick must be a whole number or a list, not a block of keys"),
        ("probes:\n  bias.bbq:\n    pick:\n    - 1", "probes.bias.bbq.pick[0] must be text, not 1; put it in quotes"),
        ("probes:\n  bias.bbq:\n    sampling:\n      temprature: 1",
         'unknown key "temprature" in probes.bias.bbq.sampling; did you mean "temperature"?'),
        ("probes:\n  bias.crows: {z: 1}", 'unknown key "z" in probes.bias.crows; the keys here are temperature, seeds'),
        ("probes:\n  hallucination.truthfulqa:", 'the key "wordings" is missing in probes.hallucination.truthfulqa'),
    ],
)
def test_a_mistake_in_the_probes(folder: Path, text: str, message: str) -> None:
    assert problems(folder, MODEL + text) == [(text.count("\n") + 2, message)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bias.bbq.acuracy: {at_least: 0}", 'unknown metric "bias.bbq.acuracy"; did you mean "bias.bbq.accuracy"?'),
        ("bias.bbq.acuracy[Age]: {at_least: 0}",
         'unknown metric "bias.bbq.acuracy"; did you mean "bias.bbq.accuracy"?'),
        ("bias.bbq.zzz: {at_least: 0}", 'unknown metric "bias.bbq.zzz"; bias.bbq measures accuracy, ambiguous_bias'),
        ("bias.bqq.accuracy: {at_least: 0}",
         'unknown metric "bias.bqq.accuracy"; did you mean "bias.bbq.accuracy"? (`audit probes` lists them)'),
        ("zzz: {at_least: 0}",
         'unknown metric "zzz": it does not begin with the id of a probe (`audit probes` lists them)'),
        ("'bias.bbq.accuracy[': {at_least: 0}",
         'the gate "bias.bbq.accuracy[" is not of the form <probe id>.<metric>[slice]'),
        ("bias.bbq.accuracy: {}",
         "gates.bias.bbq.accuracy: give at_most, at_least, no_worse_than_baseline or coverage_at_least, or remove the gate"),
        ("bias.bbq.accuracy: {at_mots: 1}",
         'unknown key "at_mots" in gates.bias.bbq.accuracy; did you mean "at_most"?'),
        ("bias.bbq.accuracy: {at_most: '1'}", 'gates.bias.bbq.accuracy.at_most must be a number, not the text "1"'),
        ("bias.bbq.accuracy: {no_worse_than_baseline: -1}",
         "gates.bias.bbq.accuracy.no_worse_than_baseline must be at least 0, not -1"),
        ("bias.bbq.accuracy: {coverage_at_least: 95}",
         "gates.bias.bbq.accuracy.coverage_at_least must be at most 1, not 95"),
        ("bias.bbq.accuracy: {coverage_at_least: 0}",
         "gates.bias.bbq.accuracy.coverage_at_least must be more than 0, not 0"),
        ("bias.bbq.accuracy: {coverage_at_least: 95%}",
         'gates.bias.bbq.accuracy.coverage_at_least must be a number, not the text "95%"'),
        ("bias.bbq.accuracy: {coverage: 0.95}",
         'unknown key "coverage" in gates.bias.bbq.accuracy; did you mean "coverage_at_least"?'),
        ("bias.bbq.accuracy: {at_least: 1, at_most: 0}",
         "gates.bias.bbq.accuracy: at_least is above at_most, so that no value can meet both"),
    ],
)
def test_a_mistake_in_the_gates(folder: Path, text: str, message: str) -> None:
    assert problems(folder, f"{MODEL}probes:\n  bias.bbq:\ngates:\n  {text}\n") == [(5, message)]
# fmt: on


@pytest.mark.parametrize("key", ["api_key", "token", "password", "API-KEY", "hf_token", "client_secret", "apikey"])
@pytest.mark.parametrize("block", ["model", "card"])
def test_keys_do_not_belong_in_the_file(folder: Path, block: str, key: str) -> None:
    text = f"model:\n  source: x\n  {key}: s3cret\n" if block == "model" else f"{MODEL}card:\n  {key}: s3cret\n"
    message = f'the key "{key}" in {block} is not allowed: keys come from the environment, never from this file'
    assert problems(folder, text) == [(3, message)]


@pytest.mark.parametrize(
    "address", ["https://me:s3cret@host/v1", "https://s3cret@host", "http://host/v1?api_key=s3cret"]
)
def test_an_address_may_not_hold_a_key(folder: Path, address: str) -> None:
    [(_, message)] = problems(folder, f"model: {{source: '{address}'}}\n")
    assert "keys come from the environment" in message
    assert "s3cret" not in message


def test_a_token_limit_is_no_secret(folder: Path) -> None:
    assert "unknown key" in problems(folder, "model:\n  source: x\n  max_tokens: 3\n")[0][1]


def test_every_mistake_is_reported_at_once_by_line(folder: Path) -> None:
    found = problems(
        folder,
        """model:
  sorce: x
  device: 3
suite: ful
probes:
  bias.bqq: {}
  bias.crows: {a: 1}
  bias.crows:
gates:
  bias.bbq.accuracy: {at_most: "1"}
  bias.bbq.acuracy: {}
run: {seed: -1, confidence: .inf}
""",
    )
    assert [line for line, _ in found] == [2, 3, 4, 6, 7, 8, 10, 11, 11, 12, 12]
    assert found[0][1] == 'unknown key "sorce" in model; did you mean "source"?'


def test_yaml_that_cannot_be_read_is_one_problem(folder: Path) -> None:
    assert problems(folder, MODEL + "\tsuite: quick\n") == [(2, "a tab is used for indentation; use spaces")]


def test_nothing_is_converted_in_python_either() -> None:
    with pytest.raises(ValidationError):
        RunConfig.model_validate({"seed": "5"})
    with pytest.raises(ValidationError):
        GateConfig(at_most=float("nan"))


def variants(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    for part in schema if isinstance(schema, list) else ():
        yield from variants(part)


def test_the_schema_describes_every_field_and_allows_no_other() -> None:
    schema = config_schema(CATALOGUE)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema
    blocks = [schema, *(d for d in schema["$defs"].values() if "properties" in d)]
    assert len(blocks) == 14
    for block in blocks:
        assert block["additionalProperties"] is False
        assert all(field["description"] for field in block["properties"].values())
    used = {part["$ref"] for part in variants(schema) if isinstance(part.get("$ref"), str)}
    assert used == {f"#/$defs/{name}" for name in schema["$defs"]}


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (MODEL, True),
        (MODEL + "card:\nprobes:\ngates:\nrun:\n", True),
        (MODEL + "probes: {bias.bbq: {limit: 3}, bias.crows: null}\n", True),
        (MODEL + "gates: {bias.bbq.accuracy: {at_most: 1}, 'bias.bbq.accuracy[Age]': {at_least: 1}}\n", True),
        ("suite: quick\n", False),
        (MODEL + "x: 1\n", False),
        (MODEL + "probes: {bias.bqq: {}}\n", False),
        (MODEL + "probes: {bias.bbq: {limit: a}}\n", False),
        (MODEL + "probes: {bias.bbq: {limts: 3}}\n", False),
        (MODEL + "gates: {bias.bbq.zzz: {at_most: 1}}\n", False),
        (MODEL + "gates: {bias.bbqxaccuracy: {at_most: 1}}\n", False),
        (MODEL + "gates: {bias.bbq.accuracy: {}}\n", False),
        (MODEL + "run: {confidence: 95}\n", False),
    ],
)
def test_the_schema_and_the_reader_agree(folder: Path, text: str, valid: bool) -> None:
    validator = jsonschema.Draft202012Validator(config_schema(CATALOGUE))
    assert validator.is_valid(yaml.safe_load(text)) is valid
    if valid:
        load(folder, text)
    else:
        problems(folder, text)


def test_the_starter_is_valid_and_says_every_key(folder: Path) -> None:
    text = starter("HuggingFaceTB/SmolLM2-135M-Instruct")
    assert load(folder, text) == AuditConfig(model=ModelConfig(source="HuggingFaceTB/SmolLM2-135M-Instruct"))
    for known in (CATALOGUE, {}):
        jsonschema.validate(yaml.safe_load(text), config_schema(known))
    for block in (AuditConfig, ModelConfig, CardConfig, RunConfig):
        for key in block.model_fields:
            assert re.search(rf"^ *(# )?{key}:", text, re.MULTILINE), key


def test_a_probe_that_a_gate_names_runs_as_well(folder: Path) -> None:
    config = load(folder, f"{MODEL}probes:\n  bias.bbq:\ngates:\n  hallucination.truthfulqa.mc1: {{at_least: 0.3}}\n")
    assert chosen_probes(config, CATALOGUE) == ["bias.bbq", "hallucination.truthfulqa"]
    assert chosen_probes(load(folder, MODEL), CATALOGUE) == list(CATALOGUE)


def test_the_examples_in_the_starter_are_valid(folder: Path) -> None:
    text = re.sub(r"^  # ([a-z_.]+: .+)$", r"  \1", starter("x"), flags=re.MULTILINE)
    shipped = catalogue(find_probes())
    path = folder / "model.yaml"
    path.write_text(text, encoding="utf-8")
    config = load_config(path, shipped)
    assert config.model.sensitive == ["race", "sex"]
    assert config.model.endpoint.key_variable == "OPENAI_API_KEY"
    assert config.probes["bias.counterfactual"] == {"limit": 500}
    assert config.run.batch_tokens == 2048
    jsonschema.validate(yaml.safe_load(text), config_schema(shipped))


@settings(deadline=None)  # a busy machine is no mistake
@given(st.text(min_size=1).filter(lambda source: "://" not in source))
def test_a_starter_for_any_source(folder: Path, source: str) -> None:
    assert load(folder, starter(source)).model.source == source


keys = st.sampled_from(
    ["model", "source", "card", "suite", "probes", "gates", "run", "seed", "bias.bbq", "bias.bbq.accuracy", "limit",
     "sampling", "seeds", "pick", "categories", "at_most", "confidence", "sensitive", "device", "token", "a[b]"]
)  # fmt: skip
values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | keys | st.just("https://[x")
nested = st.recursive(
    values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(), inner, max_size=4),
    max_leaves=25,
)
block = st.dictionaries(keys, nested, max_size=4)


@settings(deadline=None)
@given(
    st.one_of(
        nested,
        block,
        st.fixed_dictionaries(
            {"model": block | nested},
            optional={
                "probes": st.dictionaries(st.sampled_from(sorted(CATALOGUE)), block | nested),
                "gates": st.dictionaries(st.sampled_from(["bias.bbq.accuracy", "bias.crows.rate[x]"]), block | nested),
                "run": block | nested,
                "card": block | nested,
            },
        ),
    )
)
def test_any_data_gives_a_config_or_clear_sentences(folder: Path, data: Any) -> None:
    said: list[str] = []
    try:
        load(folder, yaml.safe_dump(data))
    except ConfigError as error:
        said = [problem.message for problem in error.problems] or ["\0"]
    for message in said:
        assert message.isprintable()
        assert "validation error" not in message
        assert "Input" not in message


class TestJudges:
    """Judges that probes name are looked for before anything is opened."""

    KNOWN: ClassVar[dict[str, ProbeEntry]] = {
        "a.reads": ProbeEntry(("x",), JudgedOptions),
        "a.asks": ProbeEntry(("x",), FabricationOptions),
    }

    def said(self, folder: Path, text: str) -> list[str]:
        path = folder / "judges.yaml"
        path.write_text(MODEL + text, encoding="utf-8")
        try:
            load_config(path, self.KNOWN)
        except ConfigError as error:
            return [problem.message for problem in error.problems]
        return []

    def test_a_name_that_is_nowhere(self, folder: Path) -> None:
        text = "judges: {reader: {source: some/model}}\nprobes: {a.reads: {judge: redaer}}\n"
        [message] = self.said(folder, text)
        assert message.startswith('the judge "redaer" is no entry of judges, no folder or file')
        assert message.endswith('did you mean "reader"?')

    def test_a_kind_that_the_probe_cannot_use(self, folder: Path) -> None:
        judges = "judges: {reader: {source: some/model, kind: encoder}}\n"
        text = f"{judges}probes: {{a.asks: {{judge: reader}}, a.reads: {{judge: reader}}}}\n"
        assert self.said(folder, text) == ["a.asks cannot use a judge of kind encoder, only model"]

    def test_a_classifier_reads_only_where_it_is_asked_for(self, folder: Path) -> None:
        """Probes that compare texts cannot use one; as default it is left out, as any kind that a probe cannot use."""
        judges = "judges: {default: {source: some/model, kind: classifier}}\n"
        [message] = self.said(folder, f"{judges}probes: {{a.reads: {{judge: default}}}}\n")
        assert message == "a.reads cannot use a judge of kind classifier, only encoder or model or nli"
        assert self.said(folder, f"{judges}probes: {{a.reads: {{}}}}\n") == []

    @pytest.mark.parametrize("judge", ["reader", "package:some/model", f"org/name@{'0' * 40}", "."])
    def test_what_can_be_a_judge(self, folder: Path, judge: str) -> None:
        assert not self.said(
            folder, f'judges: {{reader: {{source: some/model}}}}\nprobes: {{a.reads: {{judge: "{judge}"}}}}\n'
        )

    def test_judges_that_are_no_block_are_told_once(self, folder: Path) -> None:
        assert len(self.said(folder, "judges: 3\n")) == 1
