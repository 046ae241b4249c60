"""Words to token ids."""

from collections.abc import Callable

from torch import Tensor

from opendlign_core.clip.borrowed import borrowed
from opendlign_core.clip.load import architecture_of
from opendlign_core.clip.spec import ClipSpec

Tokenizer = Callable[[list[str]], Tensor]


def load_tokenizer(spec: ClipSpec) -> Tokenizer:
    """Return the tokenizer of `spec`: texts to token ids int64 [N, context length]."""
    text = architecture_of(spec)["text_cfg"]
    if text.get("hf_tokenizer_name") or text.get("hf_model_name"):
        import open_clip

        tokenizer: Tokenizer = open_clip.get_tokenizer(spec.model)
        return tokenizer
    simple: Tokenizer = borrowed("tokenizer").SimpleTokenizer(context_length=text.get("context_length", 77))
    return simple
