"""What must be set before Prefect and torch are imported: quiet consoles, no telemetry, patience on slow machines."""

import os

DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "opendlign_core,storage,tasks",
    # Without a sign of life the dead-run automation cannot tell a killed run from a busy one.
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "TOKENIZERS_PARALLELISM": "false",
    # Threads that spin while they wait steal the cores from those that work: a factor of four on two busy cores.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def prepare_environment(*, debug: bool = False) -> None:
    """Set defaults that the user's own environment overrides."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if not debug:
        # Progress bars and tables speak to the terminal; the Prefect UI keeps the full log either way.
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
