"""`opendlign deploy`, `up` and `down`: the pipeline as deployments, and everything they need on this machine."""

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter, validators

from opendlign.show import console

Gpus = Annotated[int | None, Parameter(validator=validators.Number(gte=0))]
Port = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=65535))]


def deploy(
    *,
    store: str | None = None,
    api: Annotated[str | None, Parameter(help="URL of the Prefect API")] = None,
    gpus: Gpus = None,
    silence: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None,
) -> int:
    """Create or update work pools, queues, limits, the dead-run automation and all deployments.

    Runs that claim to be under way although their process or worker is gone are marked Crashed. What no option says
    stays as it was deployed before; schedules that are switched on stay on.

    Parameters
    ----------
    store
        The store that deployed runs use by default: a folder all workers see, or s3://bucket/prefix.
    gpus
        How many GPUs all workers have together (at first 1): GPU tasks take turns, painting is split in as many parts.
    silence
        Seconds without a sign of life after which a run counts as dead (at first 180); runs report every 30 seconds.
    """
    from opendlign.deployment import deploy_everything

    patience = None if silence is None else timedelta(seconds=silence)
    for line in deploy_everything(store=store, api=api, gpus=gpus, silence=patience):
        console.print(line, soft_wrap=True)
    return 0


def up(*, port: Port = 4200, store: str | None = None, gpus: Gpus = None) -> int:
    """Start a Prefect server, a CPU worker and one worker per visible GPU here, deploy everything, print the URL.

    Everybody on this machine may use the server, unless PREFECT_SERVER_API_AUTH_STRING holds a password for it.

    Parameters
    ----------
    port
        Port of the server, on 127.0.0.1.
    store
        The store that deployed runs use by default.
    gpus
        GPU workers to start; by default one for each GPU that is visible.
    """
    from opendlign.local_service import start_service

    started = start_service(port=port, store=store, gpus=gpus)
    console.print(
        f"UI: {started.url}\nLogs: {started.logs}\nRun: prefect deployment run regenerate/mini", soft_wrap=True
    )
    if not any(name.startswith("gpu-") for name in started.processes):
        console.print(
            "No GPU here: runs of synthesize, train and evaluate, and distributed chains, wait for a GPU worker; "
            "`opendlign up --gpus 1` starts one that computes on the CPU",
            soft_wrap=True,
        )
    told = f"export PREFECT_API_URL={started.url}/api"
    if started.locked:
        told += ' PREFECT_API_AUTH_STRING="$PREFECT_SERVER_API_AUTH_STRING"'
    console.print(f"For that shell: {told}\nStop: opendlign down", soft_wrap=True, highlight=False)
    return 0


def down() -> int:
    """Stop what `up` started: workers first, so that their runs end, then the server."""
    from opendlign.local_service import stop_service

    stopped = stop_service()
    console.print(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
    return 0
