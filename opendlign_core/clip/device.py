"""The one meaning of a device's name."""

import torch

from opendlign_core.errors import BadInput


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`: `auto` (a GPU where there is one, else the CPU), `cpu`, `cuda` or `cuda:N`.

    Raises:
        BadInput: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise BadInput(f"no device is called {name!r}; choose auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= _usable_gpus():
        raise BadInput(
            f"the device {name!r} was asked for, but this machine has {_usable_gpus() or 'no'} usable GPU(s); "
            "choose auto or cpu"
        )
    return device


def _usable_gpus() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0
