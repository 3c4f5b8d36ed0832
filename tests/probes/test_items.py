"""The items that we ship: how many, built as promised, none twice."""

from __future__ import annotations

import itertools
import re
import statistics
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from audit.corpora import Item, load_items
from probes.answers import mentions, normalised
from probes.bias.bold_rules import tone
from probes.bias.counterfactual import Counterfactual
from probes.bias.counterfactual_pairs import asks

ROOT = Path(__file__).parents[2] / "probes"
FILES = {path.stem: path for path in sorted(ROOT.glob("*/items/*.jsonl"))}
# The field or fields of each file that are asked, and must not be there twice.
ASKED = {
    "name_texts": ("text",),
    "counterfactual_groups": ("terms",),
    "counterfactual_templates": ("text",),
    "counterfactual_statements": ("text",),
    "bold_leads": ("good", "bad"),
    "association_tests": ("id",),
    "association_words": ("words",),
    "clear_decisions": ("text",),
    "counterfactual_groups_wider": ("terms",),
    "counterfactual_templates_wider": ("text",),
    "counterfactual_letters": ("text",),
    "counterfactual_decisions": ("text",),
    "counterfactual_shortlists": ("text",),
    "pronouns": ("text",),
    "word_alignments": ("source", "target"),
    "decisions": ("prompt", "paraphrase"),
    "explained_texts": ("prompt", "paraphrase"),
    "hurtful_words": ("word",),
    "toxic_labels": ("text",),
    "harmless_requests": ("text",),
    "quality_of_service": ("paraphrase", "african_american", "indian", "singapore", "learner", "terse"),
    "quality_of_service_features": ("id",),
    "invented_entities": ("invented", "real"),
    "false_premise": ("false", "true", "false_premise", "true_premise"),
    "stale_knowledge": ("question", "statement"),
    "entity_labels": ("text",),
    "premise_labels": ("text",),
    "age_labels": ("text",),
    "known_facts": ("question",),
    "grounding": ("question", "sentences"),
    "silence_labels": ("text",),
    "subjects": ("subject",),
    "claims": ("true", "false"),
    "fabrication": ("request", "twin"),
    "refusal_labels": ("text",),
    "provenance_questions": ("human", "machine"),
    "provenance_statements": ("true", "invented"),
    "provenance_works": ("work",),
    "provenance_labels": ("id",),  # a bare Yes means another thing after another question
    "informative_labels": ("text",),
    "same_meaning": ("id",),
    "right_answer": ("id",),
    "supported": ("id",),
    "verification": ("claim",),
    "rerun_endings": ("prompt",),
    "rerun_prompts": ("prompt",),
    "answer_labels": ("text",),
    "harmful_requests": ("request", "twin"),
    "toxicity_labels": ("text",),
    "toxicity_prompts": ("prompt",),
    "personal_data_texts": ("text",),
    "pii_prompts": ("prompts",),
    "context_secrets": ("datum", "owner"),
    "steady_questions": ("question", "paraphrase"),
    "unrelated_prompts": ("prompt", "text"),
    "planted_instructions": ("before", "after"),
    "known_sequences": ("before", "after"),
    "injection_labels": ("text",),
    "source_credulity": ("question", "official", "doubtful", "neutral", "correct"),
}
# What the styles of questions add to the words of standard questions: ordinary words in the standard's spelling, which is
# American for African American English.
KNOWN_FORMS = frozenset(
    re.findall(
        r"\w+",
        """around been belonging boiling bury but calling color coming degree digit ever flowing following freeze freezing
        gathering getting got having heart introduce joining leaf leg letter located look me needing playing prune pull
        pulling pump pumping pyramid ruin sit sitting standing sunk talk them they today toward using""",
    )
)
every_file = pytest.mark.parametrize("name", sorted(FILES))


@cache
def rows(name: str) -> list[Item]:
    return load_items(FILES[name])


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W_]+", text.lower()))


def asked(item: Item, field: str) -> str:
    content = item[field]
    return content if isinstance(content, str) else " / ".join(content)


@every_file
class TestEveryFile:
    def test_it_loads_and_has_a_test(self, name: str) -> None:
        assert rows(name)
        assert name in ASKED

    def test_every_field_is_there_and_of_one_type(self, name: str) -> None:
        for field in rows(name)[0]:
            kinds = {type(row[field]) for row in rows(name)}
            assert len(kinds) == 1, (field, kinds)
            assert kinds <= {str, bool, list}, field

    def test_words_are_clean(self, name: str) -> None:
        for row in rows(name):
            for field, content in row.items():
                for text in content if isinstance(content, list) else [content]:
                    if not isinstance(text, str):
                        continue
                    garbled = name == "refusal_labels" and row["garbled"]
                    left_out = name.startswith("provenance_") and field in ("task", "statement")
                    nothing = name == "name_texts" and field == "before"
                    assert garbled or left_out or nothing or text.strip(), (row["id"], field)
                    # Labelled answers, and what stood before them, are as a model writes and is asked.
                    assert text == text.rstrip() or name in ("refusal_labels", "name_texts"), (row["id"], field)
                    assert "�" not in text
                    assert not re.search(r"[\x00-\x08\x0b-\x1f]", text), (row["id"], field)
            assert re.fullmatch(r"[a-z0-9_/-]+", row["id"]), row["id"]

    def test_no_text_is_there_twice_or_nearly(self, name: str) -> None:
        for field in ASKED[name]:
            texts = [(row["id"], asked(row, field)) for row in rows(name)]
            if name == "refusal_labels":
                texts = [t for t, row in zip(texts, rows(name), strict=True) if not row["garbled"]]
            assert len({" ".join(text.split()).lower() for _, text in texts}) == len(texts)
            sets = [(i, words(text)) for i, text in texts]
            near = [
                (i, j)
                for (i, a), (j, b) in itertools.combinations(sets, 2)
                if min(len(a), len(b)) > 0.9 * max(len(a), len(b)) and len(a & b) > 0.9 * len(a | b)
            ]
            assert near == []


def test_counts_are_as_promised() -> None:
    facts = Counter(item["exists"] for item in rows("known_facts"))
    assert facts[True] >= 300
    assert facts[False] >= 100
    assert len(rows("claims")) >= 250
    assert len(rows("fabrication")) >= 200
    assert len(rows("claims")) >= 600
    assert len(rows("fabrication")) >= 100
    pairs = {
        (item["id"], ask.group)
        for item in Counterfactual().items(None)
        for ask, _, control in asks(item, seed=0)
        if not control
    }
    assert len(pairs) >= 600


def groups_of_people() -> list[Item]:
    return [*rows("counterfactual_groups"), *rows("counterfactual_groups_wider")]


def person_texts() -> list[Item]:
    """Texts with one place for a person: sentences, letters and decisions."""
    files = ("templates", "templates_wider", "letters", "decisions")
    return [row for name in files for row in rows(f"counterfactual_{name}")]


GENDERED = re.compile(r"\b(he|she|him|her|his|hers|himself|herself|man|woman|mother|father|madam)\b", re.IGNORECASE)


class TestCounterfactual:
    def test_templates(self) -> None:
        axes = {row["axis"] for row in groups_of_people()}
        groups = {(row["axis"], row["group"]) for row in groups_of_people()}
        for row in person_texts():
            assert row["text"].count("{person}") == 1, row["id"]
            assert re.findall(r"{(\w*)}", row["text"]) == ["person"], row["id"]
            assert row["favourable"] != row["unfavourable"]
            assert row["warranted"] in ("yes", "no", "unclear")
            assert row["axes"]
            assert set(row["axes"]) <= axes | {"all"}
            applies = axes if "all" in row["axes"] else set(row["axes"])
            for target in row["targets"]:
                assert any((axis, target) in groups for axis in applies), (row["id"], target)
            if row["kind"] in ("sentence", "letter"):
                for ending in (row["favourable"], row["unfavourable"]):
                    assert ending.startswith(" "), row["id"]
                    assert ending == f" {ending.strip()}"
                assert row["warranted"] == "unclear"
                assert not row["text"].endswith((".", "?", "!", ","))
            else:
                assert row["kind"] == "question"
                assert {row["favourable"], row["unfavourable"]} == {"Yes", "No"}
                assert row["text"].endswith("?")

    def test_no_text_gives_the_person_away(self) -> None:
        """A pronoun or a word for one sex would contradict half of the terms."""
        for row in person_texts():
            for text in [row["text"], *row.get("weak_record", [])]:
                spoken = text.replace("{person}", "").removeprefix("Dear Sir or Madam")
                assert not GENDERED.search(spoken), row["id"]
        for row in rows("counterfactual_shortlists"):
            assert not GENDERED.search(f"{row['text']} {row['first']} {row['second']}"), row["id"]

    def test_yes_is_as_often_favourable_as_no_and_warranted_as_often_as_not(self) -> None:
        """A model that always says Yes, or always No, must not come out above chance."""
        questions = [r for r in person_texts() if r["kind"] == "question"]
        clear = [r for r in questions if r["warranted"] != "unclear"]
        assert len(clear) >= 40
        yes = sum((r["favourable"] == "Yes") == (r["warranted"] == "yes") for r in clear)
        assert abs(yes / len(clear) - 0.5) <= 0.05
        assert abs(sum(r["favourable"] == "Yes" for r in questions) / len(questions) - 0.5) <= 0.05

    @pytest.mark.parametrize("domain", ["loan", "tenancy", "triage"])
    def test_loans_tenancies_and_triage(self, domain: str) -> None:
        """20 of each or more, even within the domain, and on no axis that may rightly matter to them."""
        cases = [row for row in rows("counterfactual_decisions") if row["domain"] == domain]
        assert len(cases) >= 20
        counts = Counter((row["favourable"], row["warranted"]) for row in cases)
        assert counts["Yes", "yes"] == counts["Yes", "no"] == counts["No", "yes"] == counts["No", "no"] >= 3
        assert counts["Yes", "unclear"] == counts["No", "unclear"] >= 3
        assert min(len(row["axes"]) for row in cases) >= 3
        matters = {
            "loan": {"age", "nationality", "migration", "social_class"},
            "tenancy": {"nationality", "migration", "social_class"},
            "triage": {"age", "disability"},
        }
        assert not matters[domain] & {axis for row in cases for axis in row["axes"]}
        used = Counter(axis for row in cases for axis in row["axes"])
        assert min(used.values()) >= 8

    @pytest.mark.parametrize(
        ("asked_of", "matters"),
        [
            (r"(?:bank|lender) (?:agree|grant|approve|freeze)", {"age", "nationality", "migration", "social_class"}),
            (r"(?:owner|landlord)", {"nationality", "migration", "social_class"}),
            (r"(?:nurse|clinic)", {"age", "disability"}),
        ],
    )
    def test_other_questions_are_on_no_axis_that_may_rightly_matter(self, asked_of: str, matters: set[str]) -> None:
        found = [r for r in rows("counterfactual_templates") if re.search(rf"Should the {asked_of}\b", r["text"])]
        assert len(found) >= 2
        assert [r["id"] for r in found if matters & set(r["axes"])] == []

    def test_letters_name_their_person(self) -> None:
        """A description is no way to speak of somebody in a letter; of those, gender alone is asked."""
        for row in rows("counterfactual_letters"):
            assert {axis for axis in row["axes"] if "names" not in axis} == {
                "gender",
                "race_by_name",
                "gender_and_race",
            }

    def test_clear_cases_are_even_on_every_axis(self) -> None:
        """A model that always says Yes must not come out far above or below chance on any axis."""
        for axis in {row["axis"] for row in groups_of_people()}:
            clear = [
                r
                for r in person_texts()
                if r["warranted"] != "unclear" and ("all" in r["axes"] or axis in r["axes"]) and r["kind"] == "question"
            ]
            yes = sum((r["favourable"] == "Yes") == (r["warranted"] == "yes") for r in clear)
            assert len(clear) >= 4, axis
            assert abs(yes - len(clear) / 2) <= max(1.5, 0.15 * len(clear)), (axis, yes, len(clear))

    def test_letters(self) -> None:
        letters = rows("counterfactual_letters")
        assert len(letters) >= 25
        assert sum(bool(row["weak_record"]) for row in letters) >= 10
        for row in letters:
            assert len(row["weak_record"]) <= 1
            for twin in row["weak_record"]:
                assert twin.count("{person}") == 1
                assert not twin.endswith((".", "?", "!", ","))
                # The same last words, so that only the record differs.
                assert twin.split()[-3:] == row["text"].split()[-3:], row["id"]
                assert 0.6 < len(twin.split()) / len(row["text"].split()) < 1.6, row["id"]

    def test_good_and_bad_endings_are_of_one_length(self) -> None:
        """Or a model that likes short words would seem to like, or dislike, everybody."""
        for kind in ("letter", "sentence"):
            ends = [(r["favourable"], r["unfavourable"]) for r in person_texts() if r["kind"] == kind]
            assert abs(statistics.mean(len(good) - len(bad) for good, bad in ends)) < 1
            assert all(len(good.split()) == len(bad.split()) for good, bad in ends if kind == "letter")

    def test_shortlists(self) -> None:
        shortlists = rows("counterfactual_shortlists")
        counts = Counter(row["better"] for row in shortlists)
        assert counts["neither"] >= 30
        assert counts["first"] == counts["second"] >= 5
        axes = {row["axis"] for row in groups_of_people()}
        for row in shortlists:
            assert row["kind"] == "shortlist"
            assert row["text"].endswith(".")
            assert len(row["axes"]) >= 5
            assert set(row["axes"]) <= axes
            for side in (row["first"], row["second"]):
                assert side.startswith("with ")
                assert not side.endswith(".")
            assert 0.6 < len(row["first"]) / len(row["second"]) < 1.6, row["id"]
        used = Counter(axis for row in shortlists for axis in row["axes"])
        assert set(used) == axes
        assert min(used.values()) >= 15

    def test_equal_descriptions_are_of_one_length(self) -> None:
        equal = [row for row in rows("counterfactual_shortlists") if row["better"] == "neither"]
        assert all(abs(len(row["first"].split()) - len(row["second"].split())) <= 2 for row in equal)
        assert abs(statistics.mean(len(row["first"]) - len(row["second"]) for row in equal)) < 2

    def test_crossed_groups(self) -> None:
        """Every race with women and men of the same surnames, in the same places, and one reference for all."""
        crossed = {tuple(row["cell"]): row for row in rows("counterfactual_groups_wider") if row["cell"]}
        races = {race for _, race in crossed}
        assert len(races) >= 4
        assert set(crossed) == {(sex, race) for sex in ("women", "men") for race in races}
        for race in races:
            women, men = (crossed[sex, race]["terms"] for sex in ("women", "men"))
            assert [t.split()[-1] for t in women] == [t.split()[-1] for t in men]
            assert not {t.split()[0] for t in women} & {t.split()[0] for t in men}
        assert {row["axis"] for row in crossed.values()} == {"gender_and_race"}

    def test_no_term_or_group_stands_for_two(self) -> None:
        terms = Counter(term for row in groups_of_people() for term in row["terms"])
        assert [term for term, times in terms.items() if times > 1] == []
        assert len({row["group"] for row in groups_of_people()}) == len(groups_of_people())

    def test_every_group_says_where_it_comes_from_and_its_limits(self) -> None:
        for row in rows("counterfactual_groups_wider"):
            assert len(row["note"].split()) >= 7, row["id"]
            if row["axis"].startswith("names_in") or row["cell"]:
                assert re.search(r"doi:|general knowledge", row["note"]), row["id"]

    def test_groups(self) -> None:
        axes: dict[str, list[Item]] = {}
        for row in groups_of_people():
            axes.setdefault(row["axis"], []).append(row)
        assert len(axes) >= 15
        for axis, members in axes.items():
            assert sum(m["reference"] for m in members) == 1, axis
            assert len({len(m["terms"]) for m in members}) == 1, f"{axis}: terms are not parallel"
            assert len(members[0]["terms"]) >= 3  # the control is two steps on and must be another term
            terms = [t for m in members for t in m["terms"]]
            assert len(set(terms)) == len(terms)
            assert len({m["group"] for m in members}) == len(members)

    def test_the_control_is_of_the_same_sex(self) -> None:
        """Two steps on in the reference's terms must be the same person in other words."""
        for row in groups_of_people():
            terms = row["terms"]
            for place, term in enumerate(terms if row["reference"] else []):
                other = terms[(place + 2) % len(terms)]
                assert [w for w in ("man", "woman") if w in term.split()] == [
                    w for w in ("man", "woman") if w in other.split()
                ], (term, other)

    def test_articles_fit_their_words(self) -> None:
        for row in groups_of_people():
            for term in row["terms"]:
                assert not re.search(r"\ba [aeio]|\ban (?!upper)[^aeioh]", term.lower()), term

    def test_every_axis_has_stereotype_texts(self) -> None:
        groups = {row["group"]: row["axis"] for row in groups_of_people()}
        targeted = Counter(groups[t] for row in person_texts() for t in row["targets"])
        assert set(targeted) == set(groups.values())
        assert min(targeted.values()) >= 8


class TestHarmlessRequests:
    def test_rows(self) -> None:
        members: dict[str, list[Item]] = {}
        for row in rows("counterfactual_groups"):
            members.setdefault(row["axis"], []).append(row)
        for row in rows("harmless_requests"):
            places = re.findall(r"{(\w*)}", row["text"])
            assert len(places) == 1, row["id"]
            assert row["text"].endswith("."), row["id"]
            # A person is filled in from the groups' terms; what a request is about, from the row or the groups' names.
            assert (places == ["about"]) == bool(row["control"]), row["id"]
            assert row["axis"] == "all" or row["axis"] in members, row["id"]
            if row["terms"]:
                assert len(row["terms"]) == len(members[row["axis"]]), row["id"]
                assert not set(row["control"]) & set(row["terms"])
            if row["axis"] == "race_by_name":
                assert places == ["person"]  # the group's name is no name

    def test_there_are_enough_of_several_kinds(self) -> None:
        kinds = Counter(row["kind"] for row in rows("harmless_requests"))
        assert len(rows("harmless_requests")) >= 60
        assert len(kinds) >= 8
        axes = Counter(row["axis"] for row in rows("harmless_requests"))
        assert len(axes) >= 7
        assert min(axes.values()) >= 3

    def test_no_text_gives_the_person_away(self) -> None:
        gendered = re.compile(r"\b(he|she|him|her|his|hers|himself|herself|man|woman|mother|father)\b", re.IGNORECASE)
        for row in rows("harmless_requests"):
            assert not gendered.search(re.sub(r"{\w*}", "", row["text"])), row["id"]


class TestQualityOfService:
    STYLES = ("african_american", "indian", "singapore", "learner", "terse")

    def test_rows(self) -> None:
        facts = {row["id"]: row for row in rows("known_facts")}
        assert len(rows("quality_of_service")) >= 60
        assert len({row["fact"] for row in rows("quality_of_service")}) == len(rows("quality_of_service"))
        for row in rows("quality_of_service"):
            fact = facts[row["fact"]]
            assert fact["exists"], row["id"]
            texts = [fact["question"], row["paraphrase"], *(row[style] for style in self.STYLES)]
            assert len({t.lower() for t in texts}) == len(texts), row["id"]
            for text in texts:
                assert not mentions(text, [*fact["answers"], *fact["distractors"]]), (row["id"], text)

    def test_every_style_asks_about_the_same_things(self) -> None:
        """What stands out in the question, its names and numbers, is in every text of it."""
        facts = {row["id"]: row for row in rows("known_facts")}
        for row in rows("quality_of_service"):
            named = {
                w.lower() for w in re.findall(r"(?<!^)\b(?:[A-Z][a-zé]{3,}|\d+)\b", facts[row["fact"]]["question"])
            }
            for style in ("paraphrase", *self.STYLES):
                missing = named - words(row[style])
                assert len(missing) <= 2, (row["id"], style, missing)

    def test_every_text_names_its_features_and_every_feature_its_source(self) -> None:
        features = {row["id"]: row for row in rows("quality_of_service_features")}
        used: set[str] = set()
        for row in rows("quality_of_service"):
            assert {name.split("/")[0] for name in row["features"]} == set(self.STYLES), row["id"]
            assert len(set(row["features"])) == len(row["features"]), row["id"]
            used |= set(row["features"])
        assert used == set(features)
        for name, feature in features.items():
            assert name.startswith(f"{feature['style']}/")
            number = name.split("/")[1]
            if number.isdigit():
                assert re.search(rf"eWAVE feature {number}, rated [AB] for", feature["source"]), name
            else:
                assert re.search(r"doi:|aclanthology", feature["source"]), name

    def test_spelling_is_that_of_the_standard(self) -> None:
        """Grammar alone makes a style: eye dialect would be a caricature, and another thing to be measured."""
        facts = {row["id"]: row for row in rows("known_facts")}
        own = set().union(*(words(f["question"]) for f in facts.values()))
        own |= set().union(*(words(row["paraphrase"]) for row in rows("quality_of_service")))
        for row in rows("quality_of_service"):
            for style in ("african_american", "indian", "singapore"):
                for word in words(row[style]) - own:
                    assert word in KNOWN_FORMS, (row["id"], style, word)

    def test_search_terms_are_no_sentences(self) -> None:
        for row in rows("quality_of_service"):
            assert row["terse"] == row["terse"].lower()
            assert not row["terse"].endswith("?")
            assert not re.match(r"(?:what|which|who|how|where|when)\b", row["terse"])


class TestStatements:
    def test_rows(self) -> None:
        for row in rows("counterfactual_statements"):
            assert row["kind"] == "statement"
            assert re.findall(r"{(\w*)}", row["text"]) == ["person"], row["id"]
            assert row["text"].endswith("."), row["id"]
            assert row["axes"] == ["all"]

    def test_no_text_gives_the_person_away(self) -> None:
        for row in rows("counterfactual_statements"):
            assert not GENDERED.search(row["text"].replace("{person}", "")), row["id"]

    def test_genres_and_polarities_are_spread(self) -> None:
        counts = Counter((row["domain"], row["polarity"]) for row in rows("counterfactual_statements"))
        assert len(rows("counterfactual_statements")) >= 60
        assert len({domain for domain, _ in counts}) == 6
        assert {polarity for _, polarity in counts} == {"positive", "negative", "neutral"}
        assert min(counts.values()) >= 3

    def test_good_and_bad_texts_are_of_one_length(self) -> None:
        """Or a model that counts words would seem to respond to the content."""
        by = {
            polarity: [len(r["text"].split()) for r in rows("counterfactual_statements") if r["polarity"] == polarity]
            for polarity in ("positive", "negative")
        }
        assert abs(statistics.mean(by["positive"]) - statistics.mean(by["negative"])) < 1


class TestKnownFacts:
    def test_rows(self) -> None:
        for row in rows("known_facts"):
            assert row["question"].endswith("?"), row["id"]
            assert len(row["distractors"]) == 3, row["id"]
            assert len({normalised(d) for d in row["distractors"]}) == 3, row["id"]
            assert bool(row["answers"]) == row["exists"], row["id"]
            assert (row["difficulty"] == "invented") == (not row["exists"]), row["id"]
            assert row["subject"].startswith("invented_") == (not row["exists"]), row["id"]
            options = [*row["answers"][:1], *row["distractors"]]
            assert len({o.lower() for o in options}) == len(options)
            assert all(o == o.strip() for o in options), row["id"]

    def test_answers_and_distractors_do_not_hold_one_another(self) -> None:
        """A free answer is right where it names an answer and no distractor; neither may contain the other."""
        for row in rows("known_facts"):
            if row["exists"]:
                assert mentions(row["answers"][0], row["answers"]), row["id"]
            for answer, wrong in itertools.product(row["answers"], row["distractors"]):
                assert not mentions(answer, [wrong]), (row["id"], answer, wrong)
                assert not mentions(wrong, [answer]), (row["id"], answer, wrong)

    def test_the_question_does_not_give_the_answer(self) -> None:
        for row in rows("known_facts"):
            if row["exists"]:
                assert not mentions(row["question"], [*row["answers"], *row["distractors"]]), row["id"]

    def test_the_right_answer_is_not_told_by_its_length(self) -> None:
        real = [row for row in rows("known_facts") if row["exists"]]
        for pick in (max, min):
            hits = 0.0
            for row in real:
                lengths = [len(o) for o in (row["answers"][0], *row["distractors"])]
                best = [i for i, length in enumerate(lengths) if length == pick(lengths)]
                hits += (0 in best) / len(best)
            assert hits / len(real) < 0.35

    def test_subjects_and_levels_are_spread(self) -> None:
        levels = Counter(row["difficulty"] for row in rows("known_facts"))
        assert set(levels) == {"easy", "medium", "hard", "invented"}
        assert min(levels.values()) >= 80
        assert len({row["subject"] for row in rows("known_facts") if row["exists"]}) >= 8


class TestInventedEntities:
    def test_rows(self) -> None:
        facts = {normalised(row["question"]) for row in rows("known_facts")}
        for row in rows("invented_entities"):
            assert row["question"].count("{name}") == 1, row["id"]
            assert row["question"].endswith("?"), row["id"]
            assert row["form"] in ("ordinary words", "coined name"), row["id"]
            assert row["source"], row["id"]
            assert row["real"] in row["note"], row["id"]
            for side in ("invented", "real"):
                assert normalised(row["question"].format(name=row[side])) not in facts, row["id"]

    def test_no_name_is_one_of_known_facts(self) -> None:
        questions = [row["question"] for row in rows("known_facts")]
        for row in rows("invented_entities"):
            assert not any(mentions(question, [row["invented"]]) for question in questions), row["id"]

    def test_kinds_are_spread(self) -> None:
        kinds = Counter(row["kind"] for row in rows("invented_entities"))
        assert len(kinds) == 10
        assert min(kinds.values()) >= 12
        assert len(rows("invented_entities")) >= 120
        assert sum(row["form"] == "ordinary words" for row in rows("invented_entities")) >= 30

    def test_the_invented_name_is_not_told_by_its_length(self) -> None:
        longer = [len(row["invented"]) - len(row["real"]) for row in rows("invented_entities")]
        assert abs(statistics.mean(longer)) < 0.15 * statistics.mean(
            len(row["real"]) for row in rows("invented_entities")
        )
        words = [len(row["invented"].split()) - len(row["real"].split()) for row in rows("invented_entities")]
        assert abs(statistics.mean(words)) < 0.3


class TestFalsePremise:
    def test_rows(self) -> None:
        for row in rows("false_premise"):
            for side in ("false", "true"):
                assert row[side].endswith("?"), row["id"]
                assert row[f"{side}_premise"].endswith("."), row["id"]
            assert row["right_facts"], row["id"]
            assert row["source"], row["id"]
            # Or an answer that repeats the question would seem to correct it.
            assert not mentions(row["false"], row["right_facts"]), row["id"]

    def test_both_questions_are_in_nearly_the_same_words(self) -> None:
        for row in rows("false_premise"):
            a, b = words(row["false"]), words(row["true"])
            assert len(a & b) / len(a | b) > 0.2, row["id"]
            assert 0.6 < len(row["false"].split()) / len(row["true"].split()) < 1.6, row["id"]

    def test_truth_is_not_told_by_form(self) -> None:
        negation = re.compile(r"\b(?:not|no|never|cannot|without|none|nor)\b|n't\b")
        count = len(rows("false_premise"))
        for left, right in (("false", "true"), ("false_premise", "true_premise")):
            longer = sum(len(row[left]) > len(row[right]) for row in rows("false_premise"))
            shorter = sum(len(row[left]) < len(row[right]) for row in rows("false_premise"))
            assert abs(longer - shorter) / count < 0.25, (left, longer, shorter)
            denied = [sum(bool(negation.search(row[f])) for row in rows("false_premise")) for f in (left, right)]
            assert abs(denied[0] - denied[1]) <= 2, denied

    def test_subjects_are_spread(self) -> None:
        subjects = Counter(row["subject"] for row in rows("false_premise"))
        assert len(subjects) == 8
        assert min(subjects.values()) >= 15


class TestStaleKnowledge:
    def test_rows(self) -> None:
        for row in rows("stale_knowledge"):
            options = [*row["values"], *row["never"]]
            assert len(row["values"]) == len(row["since"]) == len(row["short"]) >= 2, row["id"]
            assert len({normalised(o) for o in options}) == len(options), row["id"]
            assert len(row["never"]) == 2, row["id"]
            assert row["question"].endswith("?"), row["id"]
            assert not mentions(row["question"], options), row["id"]

    def test_dates_rise_and_end_with_the_last_check(self) -> None:
        for row in rows("stale_knowledge"):
            assert all(
                re.fullmatch(r"(?:18|19|20)\d\d-(?:0[1-9]|1[0-2])", d) for d in [*row["since"], row["checked_on"]]
            )
            assert row["since"] == sorted(set(row["since"])), row["id"]
            assert row["since"][-1] <= row["checked_on"], row["id"]

    def test_no_older_value_holds_the_latest(self) -> None:
        """Or an answer that names the older one would be read as the latest, which decides where both are named."""
        for row in rows("stale_knowledge"):
            for older in row["values"][:-1]:
                assert not mentions(older, [row["values"][-1], row["short"][-1]]), (row["id"], older)

    def test_changes_are_spread_over_the_years(self) -> None:
        changes = Counter(int(date[:4]) for row in rows("stale_knowledge") for date in row["since"][1:])
        assert len(rows("stale_knowledge")) >= 80
        assert all(changes[year] >= 4 for year in range(1992, 2025))
        assert all(changes[year] >= 10 for year in range(2011, 2025))


class TestLabelledAnswers:
    @pytest.mark.parametrize(
        ("name", "kinds"),
        [
            ("entity_labels", {"described", "abstained"}),
            ("premise_labels", {"accepted", "corrected", "abstained"}),
            ("age_labels", {"admits", "silent"}),
        ],
    )
    def test_enough_were_written_after_the_rule(self, name: str, kinds: set[str]) -> None:
        labels = rows(name)
        unseen = Counter(row["label"] for row in labels if row["unseen"])
        assert len(labels) >= 100
        assert set(unseen) == {row["label"] for row in labels} == kinds
        assert sum(unseen.values()) >= 50
        assert sum(unseen[kind] >= 25 for kind in kinds) >= 2


class TestClaims:
    def test_rows(self) -> None:
        for row in rows("claims"):
            for side in ("true", "false"):
                assert row[side].endswith("."), row["id"]
                assert row[side][0].isupper() or row[side][0].isdigit(), row["id"]
                assert "?" not in row[side]
            assert row["true"] != row["false"]
            assert row["harm"] in ("low", "medium", "high")
            assert row["kind"] in ("misconception", "factual_error", "rumour", "conspiracy", "reversed_advice")
            assert len(row["source"].split()) >= 2, row["id"]
            assert row["source"].endswith("."), row["id"]
            assert {"{", "}"}.isdisjoint(row["true"] + row["false"]), row["id"]

    def test_no_claim_is_another_in_other_words(self) -> None:
        """Pairs share few of their rarer words with any other pair."""
        common = Counter(word for row in rows("claims") for word in words(row["true"]) | words(row["false"]))
        rare = [
            (row["id"], frozenset(w for w in words(row[side]) if common[w] <= 30))
            for row in rows("claims")
            for side in ("true", "false")
        ]
        near = [
            (i, j)
            for (i, a), (j, b) in itertools.combinations(rare, 2)
            if i != j and min(len(a), len(b)) >= 3 and len(a & b) > 0.6 * len(a | b)
        ]
        assert near == []

    def test_both_sides_are_about_the_same(self) -> None:
        shared = []
        for row in rows("claims"):
            a, b = words(row["true"]), words(row["false"])
            shared.append(len(a & b) / len(a | b))
            assert shared[-1] > 0.1, row["id"]
            assert 0.6 < len(row["true"].split()) / len(row["false"].split()) < 1.6, row["id"]
        assert sum(s > 0.25 for s in shared) / len(shared) > 0.9
        assert statistics.median(shared) > 0.5

    def test_truth_is_not_told_by_form(self) -> None:
        """Neither negation nor length may tell the true side from the false one."""
        negation = re.compile(r"\b(?:not|no|never|cannot|without|none|nor)\b|n't\b")
        count = len(rows("claims"))
        for tell in (lambda t: bool(negation.search(t)), lambda t: len(t)):
            more = sum(tell(row["true"]) > tell(row["false"]) for row in rows("claims"))
            less = sum(tell(row["true"]) < tell(row["false"]) for row in rows("claims"))
            assert abs(more - less) / count < 0.06

    def test_subjects_are_spread(self) -> None:
        subjects = Counter(row["subject"] for row in rows("claims"))
        assert len(subjects) == 12
        assert min(subjects.values()) >= 50
        assert max(subjects.values()) <= 55
        assert min(Counter(row["harm"] for row in rows("claims")).values()) >= 60


class TestVerification:
    SENTENCE = re.compile(r"[.!?](?=\s|$)")

    def test_every_passage_has_one_claim_of_each_class(self) -> None:
        """So that neither the subject nor the passage tells the class."""
        by_passage: dict[str, list[Item]] = {}
        for row in rows("verification"):
            by_passage.setdefault(row["passage"], []).append(row)
        assert len(by_passage) >= 50
        for name, claims in by_passage.items():
            assert sorted(c["label"] for c in claims) == ["not_enough_info", "refuted", "supported"], name
            for field in ("evidence", "subject", "invented", "source"):
                assert len({c[field] for c in claims}) == 1, (name, field)
        assert len({claims[0]["evidence"] for claims in by_passage.values()}) == len(by_passage)

    def test_rows(self) -> None:
        for row in rows("verification"):
            assert row["claim"].endswith("."), row["id"]
            assert row["claim"][0].isupper()
            assert 1 <= len(self.SENTENCE.findall(row["evidence"])) <= 4, row["id"]
            assert row["source"]
            assert (row["source"] == "invented for this audit") == row["invented"]
            assert words(row["claim"]) & words(row["evidence"]) - {"the", "a", "of", "in"}, row["id"]
            assert {"{", "}"}.isdisjoint(row["claim"] + row["evidence"])

    def test_classes_are_of_one_length_and_form(self) -> None:
        claims = {
            label: [row["claim"] for row in rows("verification") if row["label"] == label]
            for label in ("supported", "refuted", "not_enough_info")
        }
        assert {len(texts) for texts in claims.values()} == {len(rows("verification")) // 3}
        lengths = [statistics.mean(map(len, texts)) for texts in claims.values()]
        assert max(lengths) - min(lengths) < 5
        negation = re.compile(r"\b(?:not|no|never|cannot|without|none|nor|neither|nobody)\b", re.IGNORECASE)
        for tell in (
            negation,
            re.compile(r"\d"),
            re.compile(r"\b(?:more|most|less|fewer|longer|older|larger|higher)\b"),
        ):
            counts = [sum(bool(tell.search(text)) for text in texts) for texts in claims.values()]
            assert max(counts) - min(counts) <= 8, (tell.pattern, counts)

    def test_subjects_kinds_and_inventions_are_spread(self) -> None:
        subjects = Counter(row["subject"] for row in rows("verification"))
        assert len(subjects) == 9
        assert min(subjects.values()) >= 15
        kinds = Counter(row["kind"] for row in rows("verification"))
        assert set(kinds) == {"plain", "two_sentences", "number", "date", "negation", "distractor"}
        assert min(kinds.values()) >= 12
        assert sum(row["invented"] for row in rows("verification")) >= 36


class TestSourceCredulity:
    DOCUMENTS = ("official", "doubtful", "neutral", "correct")

    def test_rows(self) -> None:
        for row in rows("source_credulity"):
            assert row["question"].endswith("?"), row["id"]
            options = [row["right"], row["planted"], *row["others"]]
            assert len({normalised(o) for o in options}) == len(options) == 4, row["id"]
            for one, other in itertools.permutations(options, 2):
                assert not mentions(one, [other]), (row["id"], one, other)
            assert row["harm"] in ("low", "medium", "high")
            assert {"{", "}"}.isdisjoint("".join(row[d] for d in self.DOCUMENTS) + row["question"]), row["id"]

    def test_each_document_names_the_answer_that_it_should_and_no_other(self) -> None:
        named = {"official": "planted", "doubtful": "planted", "neutral": None, "correct": "right", "question": None}
        for row in rows("source_credulity"):
            options = {"right": row["right"], "planted": row["planted"], **dict(zip("ab", row["others"], strict=True))}
            for text, wanted in named.items():
                found = {name for name, option in options.items() if mentions(row[text], [option])}
                assert found == ({wanted} if wanted else set()), (row["id"], text)

    def test_documents_are_of_like_length(self) -> None:
        lengths = {d: [len(row[d].split()) for row in rows("source_credulity")] for d in self.DOCUMENTS}
        for name, counts in lengths.items():
            assert 30 <= min(counts) <= max(counts) <= 60, name
        means = [statistics.mean(counts) for counts in lengths.values()]
        assert max(means) - min(means) < 2

    def test_the_styles_are_crossed(self) -> None:
        """Each official style meets each doubtful one about as often, so that neither carries the other's questions."""
        counts = Counter((row["official_style"], row["doubtful_style"]) for row in rows("source_credulity"))
        assert len(counts) == 16
        assert min(counts.values()) >= 7

    def test_neither_answer_is_told_by_its_length(self) -> None:
        for pick in (max, min):
            hits = {"right": 0.0, "planted": 0.0}
            for row in rows("source_credulity"):
                lengths = [len(o) for o in (row["right"], row["planted"], *row["others"])]
                best = [i for i, length in enumerate(lengths) if length == pick(lengths)]
                for place, name in enumerate(hits):
                    hits[name] += (place in best) / len(best)
            assert all(0.15 < h / len(rows("source_credulity")) < 0.35 for h in hits.values()), hits

    def test_subjects_are_spread(self) -> None:
        subjects = Counter(row["subject"] for row in rows("source_credulity"))
        assert len(rows("source_credulity")) >= 120
        assert len(subjects) >= 10
        assert min(subjects.values()) >= 12


class TestFabrication:
    def test_rows(self) -> None:
        for row in rows("fabrication"):
            assert row["harm"] in ("low", "medium", "high")
            assert row["marker"], row["id"]
            assert all(normalised(m) for m in row["marker"]), row["id"]
            assert row["request"] != row["twin"]
            assert {"{", "}"}.isdisjoint(row["request"] + row["twin"]), row["id"]

    def test_markers_are_of_the_request(self) -> None:
        """A text on the subject must be recognised by at least one marker."""
        for row in rows("fabrication"):
            assert mentions(row["request"], row["marker"]), row["id"]

    def test_requests_and_twins_are_of_one_form(self) -> None:
        for row in rows("fabrication"):
            a, b = words(row["request"]), words(row["twin"])
            assert len(a & b) / len(a | b) > 0.2, row["id"]
            assert 0.5 < len(row["request"].split()) / len(row["twin"].split()) < 2, row["id"]

    def test_kinds_are_spread(self) -> None:
        kinds = Counter(row["kind"] for row in rows("fabrication"))
        assert len(kinds) == 6
        assert min(kinds.values()) >= 33

    def test_labelled_answers_name_what_they_answer(self) -> None:
        items = {row["id"]: row for row in rows("fabrication")}
        for row in rows("refusal_labels"):
            assert row["item"] in items, row["id"]
            assert row["side"] in ("request", "twin")
            assert row["label"] in ("refusal", "compliance", "deflection")
        assert len(rows("refusal_labels")) >= 300
        for unseen in (False, True):
            counts = Counter(row["label"] for row in rows("refusal_labels") if row["unseen"] == unseen)
            assert min(counts.values()) >= 35

    def test_a_compliance_is_about_what_was_asked(self) -> None:
        items = {row["id"]: row for row in rows("fabrication")}
        for row in rows("refusal_labels"):
            if row["label"] == "compliance" and row["side"] == "request":
                assert mentions(row["text"], items[row["item"]]["marker"]), row["id"]


class TestProvenance:
    def test_questions_are_pairs_of_one_length_in_several_voices(self) -> None:
        asked_of = rows("provenance_questions")
        assert Counter(row["part"] for row in asked_of) == {"identity": 24, "own_text": 24}
        for row in asked_of:
            assert bool(row["task"]) == (row["part"] == "own_text"), row["id"]
            assert all(row[side].endswith("?") for side in ("human", "machine")), row["id"]
        assert len({row["voice"] for row in asked_of}) >= 30
        lengths = [len(row["human"].split()) - len(row["machine"].split()) for row in asked_of]
        assert abs(statistics.mean(lengths)) < 1

    def test_statements_and_their_twins_are_of_one_form(self) -> None:
        counts = Counter(row["asked"] for row in rows("provenance_statements"))
        assert sum(counts.values()) >= 60
        assert min(counts.values()) >= 12
        for row in rows("provenance_statements"):
            a, b = words(row["true"]), words(row["invented"])
            assert len(a & b) / len(a | b) > 0.1, row["id"]
            assert 0.5 < len(row["true"].split()) / len(row["invented"].split()) < 2, row["id"]
        mean = statistics.mean(
            len(row["true"].split()) - len(row["invented"].split()) for row in rows("provenance_statements")
        )
        assert abs(mean) < 1

    def test_nothing_asked_gives_the_answer(self) -> None:
        for row in rows("provenance_statements"):
            assert not mentions(row["true"], row["known"]), row["id"]
        for row in rows("provenance_works"):
            assert not mentions(row["work"], row["authors"]), row["id"]

    def test_no_labelled_answer_is_there_twice(self) -> None:
        texts = [(row["of"], row["asked"], normalised(row["text"])) for row in rows("provenance_labels")]
        assert len(set(texts)) == len(texts)

    def test_labels_are_spread(self) -> None:
        for of, kinds in (
            ("disclosure", {"discloses", "claims_human", "neither"}),
            ("source", {"named", "none", "other"}),
        ):
            counts = Counter(row["label"] for row in rows("provenance_labels") if row["of"] == of and row["unseen"])
            assert set(counts) == kinds
            assert min(counts.values()) >= 10


class TestDecisions:
    def test_rows(self) -> None:
        for row in rows("decisions"):
            units = [w.strip(".,;:!?\"'()").lower() for w in row["prompt"].split()]
            assert len(units) >= 8, row["id"]
            for ending in (row["answer"], row["contrast"]):
                assert ending.startswith(" "), row["id"]
                assert ending == f" {ending.strip()}", row["id"]
            assert row["answer"] != row["contrast"]
            assert not row["prompt"].endswith(" ")
            assert row["evidence"], row["id"]
            for word in row["evidence"]:
                assert len(word.split()) == 1

    def test_the_answer_is_named_first_as_often_as_second(self) -> None:
        """Or a model that takes the first or the nearest of two would seem to understand."""
        places: dict[str, list[bool]] = {}
        for row in rows("decisions"):
            at = [
                re.search(rf"\b{row[field].strip()}\b", row["prompt"], re.IGNORECASE)
                for field in ("answer", "contrast")
            ]
            if at[0] and at[1]:
                places.setdefault(row["kind"], []).append(at[0].start() < at[1].start())
        for kind in ("coreference", "comparison"):
            assert len(places[kind]) >= 8
            assert sum(places[kind]) * 2 == len(places[kind]), kind
        first = [one for some in places.values() for one in some]
        assert 0.4 <= statistics.mean(first) <= 0.6

    def test_kinds_are_spread(self) -> None:
        kinds = Counter(row["kind"] for row in rows("decisions"))
        assert len(kinds) >= 8
        assert min(kinds.values()) >= 8
        assert len(rows("decisions")) >= 80

    @pytest.mark.parametrize("name", ["decisions", "explained_texts"])
    def test_another_wording_keeps_the_words_that_settle_it_and_enough_others(self, name: str) -> None:
        for row in rows(name):
            first, second = (
                [w.strip(".,;:!?\"'()").lower() for w in row[field].split()] for field in ("prompt", "paraphrase")
            )
            # A word that is there twice would be marked twice, though one of them may settle nothing.
            assert all(text.count(w.lower()) == 1 for w in row["evidence"] for text in (first, second)), row["id"]
            assert sum(first.count(w) == second.count(w) for w in set(first)) >= 6, row["id"]

    @pytest.mark.parametrize("name", ["decisions", "explained_texts"])
    def test_another_wording_is_no_mere_other_order(self, name: str) -> None:
        kept = []
        for row in rows(name):
            first, second = (Counter(re.findall(r"\w+", row[field].lower())) for field in ("prompt", "paraphrase"))
            kept.append((first & second).total() / max(first.total(), second.total()))
            assert kept[-1] < 0.95, row["id"]
        assert statistics.mean(kept) < 0.82

    def test_texts_are_spread(self) -> None:
        kinds = Counter(row["kind"] for row in rows("explained_texts"))
        assert set(kinds.values()) == {8}
        assert len(kinds) == 5


class TestWrittenText:
    def test_hurtful_words_are_plain_and_of_every_kind(self) -> None:
        listed = [normalised(row["word"]) for row in rows("hurtful_words")]
        assert len(set(listed)) == len(listed) >= 150
        assert all(row["word"] == row["word"].lower() for row in rows("hurtful_words"))
        kinds = Counter(row["category"] for row in rows("hurtful_words"))
        assert len(kinds) == 8
        assert min(kinds.values()) >= 10

    def test_toxic_labels_are_spread_and_enough_were_written_after_the_rule(self) -> None:
        unseen = [row["toxic"] for row in rows("toxic_labels") if row["unseen"]]
        assert len(rows("toxic_labels")) >= 120
        assert len(unseen) >= 60
        assert 0.4 < statistics.mean(unseen) < 0.6

    def test_leads_are_good_and_bad_news_and_end_alike(self) -> None:
        """The tone is in what comes first; the last words, which are continued, give nothing away."""
        for row in rows("bold_leads"):
            assert tone(row["good"]) > tone(row["bad"]), row["id"]
            assert row["good"].split()[-1] == row["bad"].split()[-1], row["id"]
            assert not row["good"].endswith((".", " ")), row["id"]


class TestSafety:
    def test_hazards_are_spread_and_twins_are_of_the_requests_form(self) -> None:
        hazards = Counter(row["hazard"] for row in rows("harmful_requests"))
        assert len(hazards) == 11
        assert min(hazards.values()) >= 10
        for row in rows("harmful_requests"):
            a, b = words(row["request"]), words(row["twin"])
            assert len(a & b) / len(a | b) > 0.15, row["id"]
            assert 0.6 < len(row["request"].split()) / len(row["twin"].split()) < 1.7, row["id"]
            assert row["marker"], row["id"]
            assert all(normalised(marker) == marker for marker in row["marker"]), row["id"]

    def test_labelled_answers_are_of_every_kind_and_enough_were_written_after_the_rule(self) -> None:
        unseen = [row for row in rows("answer_labels") if row["unseen"]]
        assert len(rows("answer_labels")) >= 240
        assert len(unseen) >= 80
        for harmful in (True, False):
            counts = Counter(row["label"] for row in unseen if row["harmful"] == harmful)
            assert min(counts[label] for label in ("compliance", "refusal", "partial")) >= 5
        for row in rows("answer_labels"):
            assert bool(row["marker"]) == row["harmful"], row["id"]
        assert len({row["request"] for row in rows("answer_labels")}) == len(rows("answer_labels"))
