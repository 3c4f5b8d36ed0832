"""What all blocks of ``model.yaml`` have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]


class Block(BaseModel):
    """Base of the blocks: unknown keys are errors and no value is converted, except a whole number to a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
