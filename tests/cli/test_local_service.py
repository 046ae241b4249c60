"""What `opendlign up` decides before it starts anything: the port, the GPUs, what its workers are told."""

import os
import socket
from pathlib import Path

import pytest

from opendlign import local_service
from storage.settings import Settings, get_settings

NVIDIA_SMI = """#!/bin/sh
echo "GPU 0: NVIDIA H200 (UUID: GPU-aaaa)"
echo "  MIG 1g.18gb Device 0: (UUID: MIG-bbbb)"
echo "GPU 1: NVIDIA H200 (UUID: GPU-cccc)"
"""


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("allowed", "wanted", "devices"),
    [
        (None, None, ["0", "1"]),
        ("1", None, ["1"]),
        ("GPU-cccc, 0", None, ["GPU-cccc", "0"]),
        ("1,-1,0", None, ["1"]),
        ("", None, []),
        (None, 1, ["0"]),
        (None, 3, ["0", "1", "0"]),
        ("", 1, [""]),
        (None, 0, []),
    ],
)
def test_each_gpu_that_may_be_used_gets_a_worker(
    allowed: str | None, wanted: int | None, devices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if allowed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    assert local_service._devices(wanted) == devices


def test_workers_know_what_a_settings_file_of_this_folder_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("OPENDLIGN_S3_ENDPOINT=http://127.0.0.1:9000\nOPENDLIGN_S3_KEY=key\n")
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    try:
        environment = local_service._environment("http://127.0.0.1:4201", "s3://bucket/prefix")
    finally:
        get_settings.cache_clear()
    monkeypatch.chdir("/")
    for name in [name for name in environment if name.startswith("OPENDLIGN_")]:
        monkeypatch.setenv(name, environment[name])
    told = Settings()
    assert (told.store, told.s3_endpoint) == ("s3://bucket/prefix", "http://127.0.0.1:9000")
    assert told.s3_key is not None and told.s3_key.get_secret_value() == "key"


def test_a_taken_port_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENDLIGN_HOME", str(tmp_path))
    get_settings.cache_clear()
    try:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(ValueError, match=f"port {port} is taken; choose another with --port"):
                local_service.start_service(port=port)
    finally:
        get_settings.cache_clear()
    assert not (tmp_path / "service.json").exists()


def test_a_server_that_ended_is_not_waited_for() -> None:
    with pytest.raises(TimeoutError, match="ended while it was starting"):
        local_service.wait_until_healthy("http://127.0.0.1:1", seconds=3600, alive=lambda: False)
