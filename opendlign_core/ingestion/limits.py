"""How much time and memory a parser process gets, and how that grows from one try to the next."""

from dataclasses import dataclass

from opendlign_core.ingestion.recipe import IngestExecution, IngestRecipe

GROWTH = 3
"""How much more of both the next try gets."""
TRIES = 3


@dataclass(frozen=True)
class Limits:
    """What one try may use. Where the recipe sets a limit, reaching it is a property of the file."""

    seconds: float
    memory_mib: int
    cpu_seconds: float = 0.0
    """Processor time that the recipe allows; 0 where it sets no limit."""
    recipe_memory: bool = False
    """Whether the memory is as much as the recipe allows."""


def ladder(recipe: IngestRecipe, execution: IngestExecution) -> tuple[Limits, ...]:
    """The limits of all tries at one object, least first."""
    most = recipe.parse_memory_mib
    rungs = [
        (execution.timeout_seconds * GROWTH**number, execution.memory_mib * GROWTH**number) for number in range(TRIES)
    ]
    cpu = recipe.parse_seconds or 0.0
    if most is None:
        return tuple(Limits(seconds, memory, cpu) for seconds, memory in rungs)
    lower = [Limits(seconds, memory, cpu) for seconds, memory in rungs[:-1] if memory < most]
    full = [Limits(seconds, most, cpu, True) for seconds, _ in rungs[len(lower) :]]
    return (*lower, *full)


LISTING = (Limits(120.0, 1536), Limits(480.0, 4608))
"""For the lists that come with a data set, which no recipe limits."""
