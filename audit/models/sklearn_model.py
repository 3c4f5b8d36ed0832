"""A scikit-learn classifier that was saved with skops, and the table of cases that it is tried on.

Never pickle or joblib: reading those runs whatever code the file holds.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audit.extras import absent
from audit.models.base import ModelError, chunks
from audit.models.files.inspection import inspect_files
from audit.models.options import Options
from audit.models.requests import Capability, Inspect, Request, Tabulate
from audit.models.responses import Failure, Inspected, Tabulated
from audit.models.source import file_hash
from audit.models.table import answer_table, role, table_facts, table_fingerprint, tabulate
from audit.models.table_file import TableFile, as_text, hint, open_table

SUFFIX = ".skops"
PICKLED = (".pkl", ".pickle", ".joblib")
_MOST_NAMED = 5


class SklearnModel:
    """A fitted classifier and its table; its predictions are made when it is opened.

    Raises:
        ModelError: where the file is not such a model, is not trusted, or does not fit the table.
    """

    capabilities = frozenset({Capability.TABULATE, Capability.PREDICT, Capability.FILES})

    def __init__(self, source: str, options: Options, declared: dict[str, str]) -> None:
        self._path = path = _path(source)
        if options.table.file is None:
            raise ModelError(
                f"{source} needs a table of cases to be tried on: name one with model.table, with the model's features, "
                "y_true and the sensitive columns."
            )
        file = open_table(options.table.file)
        model, trusted, said = _load(source, path, options.trust_remote_code)
        self._table = _predict(source, model, file, options)
        self._read_from = (file.source, options.table)
        facts = table_facts(source, path, declared, self._table, options.table)
        table_hash = file_hash([file.path])
        notes = [f"The cases are those of {file.source} (SHA-256 {table_hash}).", *facts.notes, *said]
        if trusted:
            notes.append(f"The config trusts types that skops does not vouch for: {_few(trusted)}.")
        self.facts = facts.model_copy(
            update={
                "architecture": _kind(model),
                "remote_code": bool(trusted),
                "notes": notes,
                "capabilities": sorted(self.capabilities),
            }
        )
        self.fingerprint = table_fingerprint(self.facts, options.table, table_hash)

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """One each."""
        return chunks(requests, 1)

    def tabulate(self, requests: Sequence[Tabulate]) -> list[Tabulated | Failure]:
        """The table with the model's predictions."""
        return [answer_table(request, self._table, *self._read_from) for request in requests]

    def inspect(self, requests: Sequence[Inspect]) -> list[Inspected | Failure]:
        """What is in the model's file, read anew in each audit."""
        return [inspect_files([("file", self._path)], None) for _ in requests]


def refuse_pickle(source: str) -> ModelError:
    """What to say of a pickled model."""
    return ModelError(
        f"{source} is a pickled model, which is not opened because loading it can run any code; save the model with "
        f'skops instead: skops.io.dump(model, "model{SUFFIX}").'
    )


def _path(source: str) -> Path:
    try:
        path = Path(source).expanduser()
        there = path.is_file()
    except (OSError, RuntimeError, ValueError):
        path, there = Path(), False
    if not there:
        raise ModelError(f"The model {source} was not found: there is no such file.")
    return path


def _load(source: str, path: Path, trust: bool) -> tuple[Any, list[str], list[str]]:
    """The model, the types in its file that skops does not vouch for, and what its loading warned of."""
    try:
        skops = importlib.import_module("skops.io")
    except ImportError:
        raise ModelError(absent(source, "sklearn")) from None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            untrusted = [str(name) for name in skops.get_untrusted_types(file=path)]
            if untrusted and not trust:
                raise ModelError(
                    f"{source} holds types that skops does not vouch for ({_few(untrusted)}); if you trust where the file "
                    "comes from, set model.trust_remote_code: true."
                )
            model = skops.load(path, trusted=untrusted)
        except ModelError:
            raise
        except Exception as error:
            # A damaged archive, a foreign schema and a missing class raise many kinds of errors.
            raise ModelError(f"{source} could not be opened as a model saved with skops: {_line(error)}.") from None
    from sklearn.base import BaseEstimator, is_classifier  # half a second that no other kind of model needs

    if not (isinstance(model, BaseEstimator) and is_classifier(model) and hasattr(model, "predict")):
        raise ModelError(f"{source} holds a {type(model).__name__}, which is not a scikit-learn classifier.")
    said = list(dict.fromkeys(f"While it was opened: {_line(warning.message)}." for warning in caught))
    return model, untrusted, said


def _predict(source: str, model: Any, file: TableFile, options: Options) -> Tabulated:
    features = getattr(model, "feature_names_in_", None)
    if features is None:
        raise ModelError(
            f"{source} was fitted without names of columns, so its features cannot be found in a table; fit it on a "
            "pandas DataFrame and save it again."
        )
    names = [str(name) for name in features]
    missing = [name for name in names if not file.has(name)]
    if missing:
        raise ModelError(f"{file.source} lacks features of the model: {_few(missing)}; {hint(missing[0], file.names)}.")
    for name in names:
        file.require(name, "a feature of the model")
    role(file, options.table, "y_true", "the true class", needed=True)
    frame = file.frame(names)
    classes = [as_text(c) or "" for c in getattr(model, "classes_", ())]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            predicted = [as_text(c) for c in np.asarray(model.predict(frame)).tolist()]
            shares = np.asarray(model.predict_proba(frame), dtype=float) if hasattr(model, "predict_proba") else None
    except Exception as error:
        # Whatever a pipeline's steps raise on values that they were not fitted on.
        raise ModelError(f"{source} could not predict the cases of {file.source}: {_line(error)}.") from None
    values = frame.astype("string").fillna("(missing)").to_numpy()
    texts = tuple("; ".join(f"{n}: {v}" for n, v in zip(names, row, strict=True)) for row in values)
    table = tabulate(file, options.table, predicted, texts=texts)
    place = _place(table.positive, classes)
    if shares is None or place is None:
        return table
    score = tuple(float(share) if np.isfinite(share) else None for share in shares[:, place])
    return tabulate(file, options.table, predicted, score, texts)


def _place(positive: str, classes: Sequence[str]) -> int | None:
    """Where the favourable class stands among the model's."""
    for place, name in enumerate(classes):
        if name == positive or {name.lower(), positive} in ({"true", "1"}, {"false", "0"}):
            return place
    return None


def _kind(model: Any) -> str:
    """The name of the estimator; of a pipeline, its last step's as well."""
    steps = getattr(model, "steps", None)
    last = f" ending in {type(steps[-1][1]).__name__}" if steps else ""
    return type(model).__name__ + last


def _few(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _line(error: Warning | Exception | str) -> str:
    lines = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
