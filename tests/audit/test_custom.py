"""The files of custom probes in a config: every mistake at once, with its file and place, and what of them the audit knows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
import yaml

from audit.api import override
from audit.config import AuditConfig, chosen_probes, config_schema
from audit.custom import configured, known_probes, probe_schema, read_definition, understood
from audit.planning import catalogue
from audit.yamlfile import ConfigError
from probes.registry import find_probes
from tests.audit.shell import entry_point

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples/custom").glob("*.yaml"))
GOOD: dict[str, Any] = {
    "name": "goods",
    "title": "Goods",
    "purpose": "We ask.",
    "items": {"file": "goods.csv"},
    "prompts": "How long may {what} be returned?",
    "score": {"regex": {"right": "{right}"}},
}
CSV = "what,right,size\nbooks,30 days,small\nshoes,60 days,small\nlamps,30 days,large\nchairs,9 days,large\n"


def written(folder: Path, csv: str | bytes = CSV, **more: Any) -> Path:
    (folder / "goods.csv").write_bytes(csv if isinstance(csv, bytes) else csv.encode())
    file = folder / "goods.yaml"
    file.write_text(yaml.safe_dump({k: v for k, v in (GOOD | more).items() if v is not None}, sort_keys=False), "utf-8")
    return file


def told(file: Path) -> str:
    with pytest.raises(ConfigError) as error:
        read_definition(file)
    return str(error.value)


def model_yaml(folder: Path, probes: Any, **more: Any) -> Path:
    file = folder / "model.yaml"
    file.write_text(yaml.safe_dump({"model": {"source": "x"}, "probes": probes, **more}), "utf-8")
    return file


class TestItems:
    @pytest.mark.parametrize(
        ("csv", "said"),
        [
            ("", "goods.csv holds no items"),
            ("what,right\n", "goods.csv holds no items"),
            ("what,what\na,b\n", "line 1: two columns have the name 'what'"),
            ("what,right\na,b,c\n", "line 2: 3 cells, but the header names 2 columns"),
            ("what,right\na,\n", "line 2: the column 'right' is empty"),
            ("what,right\na\n", "line 2: the column 'right' is empty"),
            ("what;right\na;b\n", 'has no column "what"; there are what;right'),
            (b"what,right\na,b\nf\xfcr,b\n", "line 3: this is not UTF-8 text"),
            ('what,right\n"a,b\n', "cannot be read as csv"),
        ],
    )
    def test_a_bad_csv(self, tmp_path: Path, csv: str | bytes, said: str) -> None:
        assert said in told(written(tmp_path, csv))

    def test_a_byte_order_mark_and_windows_line_ends_are_no_matter(self, tmp_path: Path) -> None:
        kind = read_definition(written(tmp_path, b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode()))
        assert kind().items(None)[3]["fields"] == {"what": "chairs", "right": "9 days"}

    def test_a_file_that_is_not_there_a_folder_and_another_kind(self, tmp_path: Path) -> None:
        (tmp_path / "folder.csv").mkdir()
        assert "no.csv does not exist" in told(written(tmp_path, items="no.csv"))
        assert "folder.csv is a folder, not a file" in told(written(tmp_path, items="folder.csv"))
        assert "must end in .csv, .jsonl, .parquet" in told(written(tmp_path, items="goods.xlsx"))

    def test_a_file_that_is_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("probes.custom.source.MOST_BYTES", 10)
        assert "is larger than 10 bytes" in told(written(tmp_path))

    def test_json_lines(self, tmp_path: Path) -> None:
        file = tmp_path / "goods.jsonl"
        rows = [{"what": 7, "right": True, "id": 1}, {"what": 2.5, "right": "x", "id": 2}]
        file.write_text("\n".join(map(json.dumps, rows)) + "\n", "utf-8")
        items = read_definition(written(tmp_path, items={"file": "goods.jsonl", "id": "id"}))().items(None)
        assert [(i["id"], i["fields"]["what"], i["fields"]["right"]) for i in items] == [
            ("1", "7", "true"),
            ("2", "2.5", "x"),
        ]
        wrong = {
            "{": "line 2: this is not JSON",
            "[1]": "line 2: each line must be an object",
            '{"what": NaN}': "NaN is not a number",
            '{"what": "\\ud800x", "right": "b", "id": 3}': "line 2: the column 'what' holds half a character",
            '{"what": ["a"], "right": "b", "id": 3}': "no single value",
        }
        for line, said in wrong.items():
            file.write_text('{"what": "a", "right": "b", "id": 9}\n' + line, "utf-8")
            assert said in told(written(tmp_path, items={"file": "goods.jsonl", "id": "id"}))

    def test_parquet(self, tmp_path: Path) -> None:
        file = tmp_path / "goods.parquet"
        pd.DataFrame({"what": ["a", "b"], "right": [1.0, None]}).to_parquet(file)
        assert "row 2: the column 'right' is empty" in told(written(tmp_path, items="goods.parquet"))
        pd.DataFrame({"what": ["a", "b"], "right": [1.0, 2.5]}).to_parquet(file)
        items = read_definition(written(tmp_path, items="goods.parquet"))().items(None)
        assert [i["fields"]["right"] for i in items] == ["1", "2.5"]
        file.write_bytes(b"not parquet")
        assert "cannot be read as parquet" in told(written(tmp_path, items="goods.parquet"))

    def test_an_id_that_is_there_twice(self, tmp_path: Path) -> None:
        said = told(written(tmp_path, items={"file": "goods.csv", "id": "right"}))
        assert "line 4: the id '30 days' is that of line 2 as well" in said

    @pytest.mark.parametrize(
        ("sizes", "said"),
        [
            (("a", "a", "a", "a"), "holds one group only"),
            (("a", "a", "a", "b"), "the group 'b' has a single item"),
            (("a", "a", "b", ""), "line 5: the column 'size' is empty"),
        ],
    )
    def test_bad_groups(self, tmp_path: Path, sizes: tuple[str, ...], said: str) -> None:
        rows = "".join(f"w{n},r,{size}\n" for n, size in enumerate(sizes))
        assert said in told(written(tmp_path, "what,right,size\n" + rows, groups="size"))

    @pytest.mark.parametrize(
        ("cells", "said"),
        [
            ("a|a", "two options are the same"),
            ("b|c", "the answer 'a' is none of the options"),
            ("a", "there are 1 options"),
        ],
    )
    def test_bad_options(self, tmp_path: Path, cells: str, said: str) -> None:
        score = {"choice": {"options": "all", "answer": "{right}"}}
        assert said in told(written(tmp_path, f"what,right,all\nx,a,{cells}\n", score=score))

    def test_a_column_without_its_braces_is_guessed(self, tmp_path: Path) -> None:
        score = {"choice": {"options": "all", "answer": "right"}}
        said = told(written(tmp_path, "what,right,all\nx,a,a|b\n", score=score))
        assert "the answer 'right' is none of the options; the column is written {right}" in said

    def test_rows_beyond_twenty_are_counted(self, tmp_path: Path) -> None:
        said = told(written(tmp_path, "what,right\n" + ",b\n" * 50))
        assert said.count("the column 'what' is empty") == 20
        assert "30 more rows cannot be used" in said


class TestDefinition:
    def test_every_mistake_at_once_with_its_line(self, tmp_path: Path) -> None:
        said = told(
            written(tmp_path, titel="x", severity="grave", score={"regex": {"right": "("}}, problem={"above": 2})
        )
        assert re.search(r'goods.yaml:\d+: unknown key "titel"; did you mean "title"\?', said)
        assert len(said.splitlines()) == 4

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"prompts": "{what"}, 'a single "{" stands in'),
            ({"prompts": "{}"}, "{} names no column"),
            ({"prompts": "{wat}"}, 'prompts.prompt: goods.csv has no column "wat"; did you mean "what"?'),
            ({"prompts": None}, "prompts are missing"),
            ({"score": {}}, "give one of likelihood, choice, regex or judge"),
            ({"score": {"regex": {"right": "a"}, "judge": {"says": "b"}}}, "give one of likelihood"),
            ({"score": {"judge": {"says": "a", "asks": "b"}}}, "give one of says, asks or in_class"),
            ({"score": {"likelihood": {"preferred": "{what}", "other": "{what}"}}}, "line 2: the two texts"),
            (
                {"score": {"choice": {"options": ["a", "b"], "answer": "a"}}, "problem": {"above": 0.5}},
                "no problem; give below",
            ),
            ({"items": {"file": "goods.csv", "hub": "a/b@" + "0" * 40}}, "one of rows, file or hub"),
            ({"items": {"hub": "a/b"}}, "items.hub must be text of the form"),
            ({"problem": {}}, "give above or below"),
            ({"name": "My probe"}, "name must be text of the form"),
            (
                {"groups": {"column": "what"}, "items": {"file": "goods.csv", "id": "what"}},
                "cannot also name the items",
            ),
        ],
    )
    def test_one_sentence_each(self, tmp_path: Path, more: dict[str, Any], said: str) -> None:
        found = told(written(tmp_path, **more)).replace(f"{tmp_path}/", "")
        assert said in found, found

    def test_the_schema_takes_the_examples_and_not_a_typo(self) -> None:
        check = jsonschema.Draft202012Validator(probe_schema())
        for file in EXAMPLES:
            check.validate(yaml.safe_load(file.read_text("utf-8")))
        assert not check.is_valid({**yaml.safe_load(EXAMPLES[0].read_text("utf-8")), "titel": "x"})


def test_the_page_shows_the_examples_as_they_are() -> None:
    page = (ROOT / "docs/custom-probes.md").read_text("utf-8")
    shown = dict(re.findall(r'```\w+ title="(examples/custom/[^"]+)"\n(.*?)```', page, re.DOTALL))
    assert set(shown) == {f"examples/custom/{file.name}" for file in [*EXAMPLES, ROOT / "examples/custom/goods.csv"]}
    for name, text in shown.items():
        assert text == (ROOT / name).read_text("utf-8"), name


class TestConfig:
    def test_the_example_is_understood(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(ROOT)
        config, known = configured(Path("examples/custom.yaml"))
        own = ["custom.agreement", "custom.animals", "custom.returns", "custom.sums"]
        assert chosen_probes(config, catalogue(known)) == own
        said = understood(known)[2]
        assert said.startswith(
            "custom.returns: 12 items, 3 wordings, scored by choice (custom.returns.accuracy, judged)"
        )
        jsonschema.validate(
            yaml.safe_load(Path("examples/custom.yaml").read_text("utf-8")), config_schema(catalogue(find_probes()))
        )

    def test_mistakes_in_both_files_are_told_together(self, tmp_path: Path) -> None:
        file = written(tmp_path, titel="x")
        config = model_yaml(
            tmp_path, {"custom": str(file)}, gates={"custom.goods.match_rate": {"at_least": 0.5}}, suit="quick"
        )
        with pytest.raises(ConfigError) as error:
            configured(config)
        said = str(error.value)
        assert f"{file}:" in said
        assert 'unknown key "suit"' in said
        assert "unknown metric" not in said  # the probe's own mistake, not the gate's

    def test_gates_know_the_metrics_of_the_file(self, tmp_path: Path) -> None:
        file = written(tmp_path, groups="size")
        gates = {"custom.goods.match_rate[size: small]": {"at_least": 0.5}, "custom.goods.accuracy": {"at_least": 0.5}}
        with pytest.raises(ConfigError, match=r"custom\.goods measures match_rate, group_gap") as error:
            configured(model_yaml(tmp_path, {"custom": [str(file)]}, gates=gates))
        assert len(error.value.problems) == 1

    @pytest.mark.parametrize("named", [5, [], None, {"a": 1}, {"files": [1]}, ""])
    def test_what_names_no_file(self, tmp_path: Path, named: Any) -> None:
        with pytest.raises(ConfigError, match=r"probes\.custom must be the file of a custom probe") as error:
            configured(model_yaml(tmp_path, {"custom": named}))
        assert len(error.value.problems) == 1

    def test_an_entry_that_is_no_file_is_named_and_the_others_are_read(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as error:
            configured(model_yaml(tmp_path, {"custom": [str(tmp_path), 3, str(written(tmp_path, titel="x"))]}))
        said = str(error.value)
        assert len(error.value.problems) == 3
        assert "probes.custom.1 must be the file of a custom probe" in said
        assert "is a folder" in said
        assert 'unknown key "titel"' in said

    def test_two_files_with_one_name(self, tmp_path: Path) -> None:
        file = str(written(tmp_path))
        with pytest.raises(ConfigError, match=r"two files define a probe custom\.goods"):
            configured(model_yaml(tmp_path, {"custom": [file, file]}))

    def test_a_judge_that_is_needed_and_not_there(self, tmp_path: Path) -> None:
        file = written(tmp_path, score={"judge": {"asks": "Is it polite?"}})
        with pytest.raises(ConfigError, match=r"custom\.goods has no judge to read its answers"):
            configured(model_yaml(tmp_path, {"custom": str(file)}))
        judges = {"default": {"source": "x", "kind": "model"}}
        configured(model_yaml(tmp_path, {"custom": str(file)}, judges=judges))

    def test_one_probe_alone(self, tmp_path: Path) -> None:
        config, known = configured(
            model_yaml(tmp_path, {"custom": str(written(tmp_path)), "custom.goods": {"limit": 2}})
        )
        alone = override(config, ["custom.goods"], None, None, None)
        assert chosen_probes(alone, catalogue(known)) == ["custom.goods"]
        assert alone.probes["custom.goods"] == {"limit": 2}
        assert override(config, [], None, 3, None).probes == config.probes  # a checked config can be checked again

    def test_a_manifest_names_the_files_of_the_probes_that_ran(self, tmp_path: Path) -> None:
        """Also where one of two was chosen: who reads it must find that probe, and run no other."""
        other = tmp_path / "other.yaml"
        other.write_text(written(tmp_path).read_text("utf-8").replace("name: goods", "name: other"), "utf-8")
        files = [str(tmp_path / "goods.yaml"), str(other)]
        config, known = configured(model_yaml(tmp_path, {"custom": files}))
        alone = override(config, ["custom.goods"], None, None, None)
        kept = AuditConfig.model_validate(json.loads(alone.model_dump_json()))
        assert chosen_probes(kept, catalogue(known)) == ["custom.goods"]
        assert {"custom.goods", "custom.other"} < set(known_probes(kept))
        assert "custom" not in override(config, ["bias.wording"], None, None, None).probes
        other.unlink()
        with pytest.raises(ConfigError, match=r"other\.yaml"):
            known_probes(kept)

    def test_the_command_says_what_was_understood(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        audit = entry_point(monkeypatch, capfd)
        config = model_yaml(tmp_path, {"custom": str(written(tmp_path))})
        done = audit("validate", str(config))
        assert done.status == 0
        assert (
            "custom.goods: 4 items, one wording, scored by regex (custom.goods.match_rate, only described)." in done.out
        )
        done = audit("run", str(config), "--probe", "custom.godds")
        assert done.status == 2
        assert "Unknown probe custom.godds; the custom probes of this file: custom.goods." in done.err
