"""How an evaluation runs; changes no number."""

from pydantic import Field

from opendlign_core.recipe import Execution, FrozenMapping


class EvalExecution(Execution):
    """How an evaluation runs."""

    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N")
    image_batch: int = Field(default=160, ge=1)
    """Images (objects x views) in one forward pass."""
    text_batch: int = Field(default=256, ge=1, description="sentences in one forward pass")
    allowed_drop: float = Field(default=0.02, ge=0, le=1)
    """How far a result may fall below the best accepted one of its name before the run fails, as a fraction."""
    libraries: tuple[str, ...] = ()
    """Sentence-library files, found by the digest in the recipe."""
    hourly_cost: FrozenMapping[float] = FrozenMapping({})
    """Stage -> what an hour of its machine costs; the report then says what each stage came to."""
    currency: str = Field(default="", description="what the report writes after a cost")
