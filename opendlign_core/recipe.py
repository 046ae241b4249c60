"""The two kinds of settings every stage has, told apart by whether they change the bytes."""

from pydantic import BaseModel, ConfigDict, Field


class Recipe(BaseModel):
    """Everything that changes a stage's output; enters the fingerprint whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Execution(BaseModel):
    """How a stage is run (device, batch size, workers); never enters a fingerprint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_rejected_share: float = Field(default=0.05, ge=0, le=1)
    """Share of rejected samples above which a stage fails instead of publishing its manifest."""
