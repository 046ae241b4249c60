"""What a probe reads of an encoder, and how probes are trained and chosen. Torch-free."""

from itertools import product
from typing import Literal

from pydantic import Field

from opendlign_core.recipe import Recipe

Blocks = Literal["1_last", "4_last", "4_uniform"]
Chosen = Literal["val", "reported"]

BLOCKS: tuple[Blocks, ...] = ("1_last", "4_last", "4_uniform")
RATES = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1)


def block_numbers(choice: Blocks, depth: int) -> tuple[int, ...]:
    """Which of an encoder's `depth` blocks, from 0, a choice means.

    >>> block_numbers("4_uniform", 12)
    (2, 5, 8, 11)
    """
    quarter = depth // 4
    return {
        "1_last": (depth - 1,),
        "4_last": tuple(range(depth - 4, depth)),
        "4_uniform": (quarter - 1, depth // 2 - 1, 3 * quarter - 1, depth - 1),
    }[choice]


class Reading(Recipe):
    """What a head sees: class tokens of some blocks, and the mean patch token of the last of them."""

    blocks: Blocks = "1_last"
    pooled: bool = True


class Head(Recipe):
    """One head of a bank."""

    reading: Reading
    rate: float = Field(gt=0)

    @property
    def name(self) -> str:
        """As the published checkpoints call it.

        >>> Head(reading=Reading(), rate=0.01).name
        'linear_cls_blocks_1_last_avgpool_True_lr_0,01000'
        """
        named = f"linear_cls_blocks_{self.reading.blocks}_avgpool_{self.reading.pooled}_lr_{self.rate:.5f}"
        return named.replace(".", ",")


class ProbeSpec(Recipe):
    """The published sweep by default: 78 heads that share nothing but the features."""

    blocks: tuple[Blocks, ...] = Field(default=BLOCKS, min_length=1)
    pooled: tuple[bool, ...] = Field(default=(True, False), min_length=1)
    rates: tuple[float, ...] = Field(default=RATES, min_length=1)
    epochs: int = Field(default=5, ge=1)
    batch: int = Field(default=128, ge=1)
    flip: bool = True
    """Half of what is seen in training is mirrored, pose and all."""
    chosen_on: Chosen = "val"
    """Where the best head is looked for: on a part of training that it did not see, or, as published, on the very
    photos that are reported."""
    val_share: float = Field(default=0.2, gt=0, lt=1)
    seed: int = 0

    def readings(self) -> tuple[Reading, ...]:
        """In the order of the published bank."""
        return tuple(Reading(blocks=blocks, pooled=pooled) for blocks, pooled in product(self.blocks, self.pooled))

    def heads(self) -> tuple[Head, ...]:
        """Every reading with every rate, in the order of the published bank."""
        return tuple(Head(reading=reading, rate=rate) for reading, rate in product(self.readings(), self.rates))
