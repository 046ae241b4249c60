"""The two kinds of settings every stage has, told apart by whether they change the bytes."""

from pydantic import BaseModel, ConfigDict, Field

# A field's docstring is what its form in the Prefect UI says below it.
SETTINGS = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Recipe(BaseModel):
    """Everything that changes a stage's output; enters the fingerprint whole."""

    model_config = SETTINGS


class Execution(BaseModel):
    """How a stage is run (device, batch size, workers); never enters a fingerprint."""

    model_config = SETTINGS

    max_rejected_share: float = Field(default=0.05, ge=0, le=1)
    """Share of rejected samples above which a stage fails instead of publishing its manifest."""
