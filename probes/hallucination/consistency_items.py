"""Subjects that the model is asked to write about, the wordings, and texts on something else to set the scores against."""

from __future__ import annotations

from pathlib import Path

from audit.corpora import Item, load_items
from audit.models import Prompt, user
from probes.answers import normalised
from probes.base import derived_seed

ITEMS = Path(__file__).parent / "items" / "subjects.jsonl"
WORDINGS = {
    "write": "Write three sentences about {subject}.",
    "tell": "Tell me about {subject} in three sentences.",
    "describe": "In three short factual sentences, describe {subject}.",
}
SUPPORTED_WORDINGS = {
    "write": "Text: {text}\n\nStatement: {sentence}\n\nDoes the text support the statement? Answer Yes or No.",
    "tell": "Read this text.\n{text}\n\nIs the following backed up by it? {sentence}\nReply with Yes or No.",
    "describe": "{text}\n\nAccording to the text above, is this right: {sentence}\nOne word, Yes or No.",
}
STRATUM = "stratum"
STRANGERS = (
    "My neighbour keeps her spare keys in a flower pot beside the back door. Last Tuesday the pot was gone, and she had to "
    "climb in through the kitchen window. Nobody on our street has seen it since.",
    "The bus to the swimming hall leaves from the corner every twenty minutes. On Sundays it is late, so most families walk "
    "instead. The ticket costs a little less for children under twelve.",
    "Our choir rehearses in the school canteen because the old hall has a leaking roof. The tenors sit by the fridge, which "
    "hums a quarter tone too low. By the end of the evening everybody sings along with it.",
    "She folded the letter twice and put it back under the typewriter. Her brother had written about his new shoes and a lost "
    "umbrella. There was not a word about the wedding.",
    "The office copier takes only yellow sheets since its last repair. A note on the lid asks visitors not to touch the green "
    "button. Whoever touches it must empty the bins for a week.",
)
"""On everyday matters that none of the subjects has to do with; written for this probe."""


def subjects() -> list[Item]:
    """Each subject in each wording; ``turn`` says whether a wording is the subject's first, second or third."""
    names = list(WORDINGS)
    return [
        {
            "id": f"{item['id']}/{wording}",
            "subject_id": item["id"],
            "subject": item["subject"],
            "names": item["names"],
            "kind": item["kind"],
            "wording": wording,
            "turn": (place - first) % len(names),
            STRATUM: wording,
        }
        for first, item in enumerate(load_items(ITEMS))
        for place, wording in enumerate(names)
    ]


def asked(item: Item) -> Prompt:
    """The request for a passage."""
    return user(WORDINGS[item["wording"]].format(subject=item["subject"]))


def supported_prompt(item: Item, text: str, sentence: str) -> Prompt:
    """The question whether a text supports a sentence, in the item's wording."""
    return user(SUPPORTED_WORDINGS[item["wording"]].format(text=text, sentence=sentence))


def stranger(item: Item) -> str:
    """A text on something else, the same one for an item in each audit."""
    return STRANGERS[derived_seed(0, item["id"]) % len(STRANGERS)]


def strange_words(item: Item, count: int) -> list[str]:
    """So many words of texts on something else, from the item's own one on and round again."""
    first = STRANGERS.index(stranger(item))
    words = [w for text in (*STRANGERS[first:], *STRANGERS[:first]) for w in normalised(text).split()]
    return [words[place % len(words)] for place in range(count)]
