"""What the card says of each risk whatever was found: its name and question, whom it touches, what it means, what to ask.

Plain English for people who know no statistics, marked for the catalogues; the templates translate it.
"""

from __future__ import annotations

from dataclasses import dataclass

from reports.languages import mark


@dataclass(frozen=True)
class RiskText:
    """``affected``: who bears it; ``practice``: what it means in use; ``questions``: what to put to the provider."""

    name: str
    question: str
    affected: str
    practice: str
    questions: tuple[str, ...]


RISK_TEXTS: dict[str, RiskText] = {
    "bias": RiskText(
        mark("Bias"),
        mark("Does it treat groups of people differently?"),
        mark(
            "People whom the model writes about or helps to judge, above all those of groups that it knows less or worse."
        ),
        mark(
            "Two people who differ only in a name, an age or a faith can get different answers, ratings or tones. In hiring, "
            "lending, schools or care that can decide who is served."
        ),
        (
            mark("For which groups did you test the model, in which languages, and with what result?"),
            mark("What did you change after those tests, and did you measure what the change did?"),
            mark("How can somebody who was treated worse find out, and complain?"),
        ),
    ),
    "hallucination": RiskText(
        mark("Hallucination"),
        mark("Does it make things up?"),
        mark("Everybody who acts on an answer without checking it, and the people whom a made-up answer is about."),
        mark(
            "An answer can sound sure and be invented: a law that does not exist, a wrong dose, a source that nobody wrote. "
            "Readers cannot tell from the tone."
        ),
        (
            mark("How often is it wrong in the subjects that we need, and how was that counted?"),
            mark("Does it say when it does not know, and how was that tested?"),
            mark("Can it be tied to sources that we choose, and do its answers keep to them?"),
        ),
    ),
    "misinformation": RiskText(
        mark("Misinformation"),
        mark("Does it repeat or spread false claims?"),
        mark("Readers, listeners and voters whom a false claim reaches, and those whom such a claim blames."),
        mark(
            "A model that agrees with false claims, or writes them well, makes them cheap to spread. A reader who asks whether "
            "something is true may be told what is not."
        ),
        (
            mark("Which kinds of false claims was the model tested against, and how recent are they?"),
            mark("What does it do when somebody insists on a false claim?"),
            mark("Are its texts marked as made by a machine?"),
        ),
    ),
    "explainability": RiskText(
        mark("Explainability"),
        mark("Can we see why it answers as it does?"),
        mark("People who must give reasons for a decision, and people who have a right to hear them."),
        mark(
            "Where no explanation holds up, nobody can say what an answer rested on. A picture that looks convincing and was "
            "not tested can mislead more than none."
        ),
        (
            mark("Which explanations do you offer, and how was it tested that they are true to the model?"),
            mark("Can a person who is affected get a reason that they can check?"),
        ),
    ),
    "privacy": RiskText(
        mark("Privacy"),
        mark("Does it give away private data?"),
        mark("People whose data were in the training texts, or in what others told the model."),
        mark(
            "A model can repeat what it has read: a phone number, a letter, a key. Once it is given out it cannot be taken "
            "back, and the model cannot simply be told to forget."
        ),
        (
            mark("Which personal data were in the training texts, and on which legal basis?"),
            mark("Were repeated texts removed before training, and was it tested what the model repeats?"),
            mark("How do you answer somebody who asks to be removed?"),
        ),
    ),
    "poisoning": RiskText(
        mark("Poisoning"),
        mark("Has somebody planted something in the model or its files?"),
        mark("Everybody who runs the model, and everybody who relies on its answers."),
        mark(
            "A file of a model can hold program code, and a model can be taught to obey a secret word. Both look harmless "
            "until they are used."
        ),
        (
            mark("Where do the files come from, and how can we check that they are yours?"),
            mark("Who could add texts to the training data, and who looked at them?"),
            mark("Was the model tested for hidden triggers, and with which method?"),
        ),
    ),
    "safety": RiskText(
        mark("Safety"),
        mark("Does it write harmful text?"),
        mark(
            "People who are insulted, threatened or harmed by what it writes, and people in distress who ask it for help."
        ),
        mark(
            "Asked for something harmful it may help, and asked for something harmless it may refuse. The first harms others, "
            "the second fails the people it should serve."
        ),
        (
            mark("Which dangers was the model tested for, by whom, and in which languages?"),
            mark("What stands between the model and the user besides the model itself?"),
            mark("What happens when somebody reports a harmful answer?"),
        ),
    ),
    "robustness": RiskText(
        mark("Robustness"),
        mark("Does it break when a question is put differently?"),
        mark(
            "People who write in another way than the testers did: with typing errors, in a hurry, in a second language."
        ),
        mark(
            "If a typing error or another order of the options changes the answer, two people with the same question get "
            "different answers. If hidden text in a document can command the model, strangers can."
        ),
        (
            mark("How do results change with spelling, wording and order, and was that measured?"),
            mark("What can a text that the model reads make it do?"),
        ),
    ),
    "reproducibility": RiskText(
        mark("Reproducibility"),
        mark("Does it answer the same when it is asked again?"),
        mark("People who must check a decision afterwards, and people who ask for it to be looked at again."),
        mark(
            "Where the same question gets another answer the next day, a decision cannot be checked, and a test cannot "
            "be repeated."
        ),
        (
            mark("Is the version of the model fixed, and are we told before it changes?"),
            mark("Which settings make its answers repeatable?"),
        ),
    ),
    "footprint": RiskText(
        mark("Footprint"),
        mark("What does it cost to run, in time and energy?"),
        mark("Those who pay for computers and power, and everybody on whom the emissions fall."),
        mark(
            "A cost that is small for one answer adds up over many users, and a long text can cost far more than a short one."
        ),
        (
            mark("How much energy did training take, and how much does one answer take?"),
            mark("Which smaller model did you compare it with for this use?"),
        ),
    ),
}


def risk_text(key: str) -> RiskText:
    """The texts of a risk; one that we do not know has its name alone."""
    return RISK_TEXTS.get(key) or RiskText(key.replace("_", " ").capitalize(), "", "", "", ())
