"""The attentions that the last blocks of a tower can be given, by name. Torch-free."""

from typing import Literal, get_args

Attention = Literal["plain", "value", "self"]
"""`plain`: the block as it is.

`value`: a patch attends to itself alone (MaskCLIP, Zhou et al. 2022). `self`: patches attend to those with similar
queries, and the block's residual and feed-forward parts are left out (ClearCLIP, Lan et al. 2024).
"""

ATTENTIONS: tuple[Attention, ...] = get_args(Attention)
