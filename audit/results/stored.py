"""The base of all stored types."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Stored(BaseModel):
    """Base of all stored types: unknown keys are errors, values do not change after they are made."""

    model_config = ConfigDict(extra="forbid", frozen=True)
