"""Single modules of open_clip, whose whole takes seconds to import."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any


@cache
def borrowed(name: str) -> Any:
    """The module of open_clip of that name; the rest of its package is imported only if the module needs it.

    >>> borrowed("tokenizer").SimpleTokenizer(context_length=4)(["mug"]).shape
    torch.Size([1, 4])
    """
    package = find_spec("open_clip")
    folders = package.submodule_search_locations if package is not None else None
    file = Path(folders[0]) / f"{name}.py" if folders else Path()
    spec = spec_from_file_location(f"{__name__}_{name}", file)
    try:
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    except (ImportError, OSError):
        return import_module(f"open_clip.{name}")
