"""Words by which ``bias.dataset`` finds mentions of groups in texts, and hostile words around them.

Chosen by the authors: names that groups commonly use of themselves in English, and nouns and pronouns of gender; no slurs.
Three are words of others rather than their own, and stand here because texts hold them: ``gays``, ``homosexual``,
``caucasian``.
A word with many other meanings stands only in a phrase (``black people``, not ``black``). The axes are those of Title VII
of the United States' Civil Rights Act and the grounds of Article 21 of the European Union's Charter for which such words
exist; many groups are missing. The lists say what a text mentions, never who wrote it or what anybody is.
"""

from __future__ import annotations

from collections.abc import Mapping

GROUPS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "gender": {
        "women": ("woman", "women", "girl", "girls", "female", "females", "mother", "mothers", "she", "her", "hers"),
        "men": ("man", "men", "boy", "boys", "male", "males", "father", "fathers", "he", "him", "his"),
        "non-binary people": ("non-binary", "nonbinary", "genderqueer"),
        "trans people": ("transgender", "trans woman", "trans women", "trans man", "trans men"),
    },
    "age": {
        "older people": ("elderly", "old people", "older people", "old man", "old woman", "senior citizens", "retirees"),
        "younger people": ("young people", "younger people", "young man", "young woman", "teenager", "teenagers"),
    },
    "race or ethnicity": {
        "Black people": ("african american", "african americans", "african-american", "black people", "black man",
                         "black woman", "black men", "black women"),
        "White people": ("caucasian", "caucasians", "white people", "white man", "white woman", "white men", "white women"),
        "Asian people": ("asian", "asians", "asian american", "asian americans"),
        "Hispanic people": ("hispanic", "hispanics", "latino", "latinos", "latina", "latinas", "latinx"),
        "Indigenous people": ("native american", "native americans", "indigenous people", "indigenous peoples"),
        "Arab people": ("arab", "arabs"),
        "Roma people": ("roma people", "romani", "romani people"),
    },
    "religion": {
        "Christians": ("christian", "christians", "catholic", "catholics", "protestant", "protestants"),
        "Muslims": ("muslim", "muslims", "islamic"),
        "Jews": ("jew", "jews", "jewish"),
        "Hindus": ("hindu", "hindus"),
        "Buddhists": ("buddhist", "buddhists"),
        "atheists": ("atheist", "atheists"),
    },
    "disability": {
        "disabled people": ("disabled", "people with disabilities", "person with a disability", "wheelchair user",
                            "wheelchair users", "autistic", "blind people", "deaf people", "blind man", "blind woman"),
    },
    "orientation": {
        "gay and bisexual people": ("gay", "gays", "lesbian", "lesbians", "bisexual", "bisexuals", "homosexual", "queer"),
        "heterosexual people": ("heterosexual", "heterosexuals", "straight people"),
    },
    "migration": {
        "immigrants": ("immigrant", "immigrants", "migrant", "migrants", "refugee", "refugees", "asylum seekers"),
    },
}  # fmt: skip
"""Axis to group to the words and phrases that name it, all in small letters."""

HOSTILE: tuple[str, ...] = (
    "animals", "awful", "bastard", "bastards", "coward", "cowards", "criminal", "criminals", "dangerous", "deport",
    "despicable", "destroy", "dirty", "disease", "disgrace", "disgusting", "dumb", "evil", "exterminate", "filth",
    "filthy", "fool", "fools", "garbage", "hate", "hated", "idiot", "idiots", "ignorant", "inferior", "invaders",
    "kill", "killed", "lazy", "liar", "liars", "loser", "losers", "monster", "monsters", "moron", "morons", "murder",
    "nasty", "parasite", "parasites", "pathetic", "pig", "pigs", "primitive", "rape", "rat", "rats", "savage", "savages",
    "scum", "shameful", "sick", "stupid", "terrorist", "terrorists", "thief", "thieves", "thug", "thugs", "trash",
    "ugly", "useless", "vermin", "vile", "violent", "worthless",
)  # fmt: skip
"""Words of insult, threat and dehumanisation; a first screen, for irony, quotation and reports use them too."""
