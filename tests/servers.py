"""Servers for tests, each its own process on loopback: an S3 server, and a proxy that makes its network bad.

Run as a module (`python -m tests.servers s3|proxy ...`) this file is those processes.
"""

import argparse
import json
import os
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 180.0
# Made up, and known to be: tests look for these strings where no credential may ever be.
S3_KEY = "AKIATESTKEYOFTHESUITE"
S3_SECRET = "test-secret-of-the-suite"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """A child process that listens on one loopback port; stopped, killed and restarted by its process id."""

    def __init__(self, *command: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self._command = [sys.executable, "-m", "tests.servers", *command, "--port", str(self.port)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    def start(self) -> "ServerProcess":
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self._command[2:4]} ended with code {self._process.returncode} while starting")
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.stop(signal.SIGKILL)
        raise RuntimeError(f"{self._command[2:4]} did not listen within {START_TIMEOUT:.0f} s")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                os.kill(self._process.pid, how)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGKILL) -> "ServerProcess":
        self.stop(how)
        return self.start()

    def __enter__(self) -> "ServerProcess":
        return self.start()

    def __exit__(self, *ending: object) -> None:
        self.stop()


class S3Server(ServerProcess):
    """A moto S3 server. What it holds is lost when it stops; `preload` is a folder of buckets to start with."""

    def __init__(self, port: int | None = None, preload: Path | None = None) -> None:
        super().__init__("s3", *(["--preload", str(preload)] if preload else []), port=port)

    def create_bucket(self, name: str) -> str:
        """Make a bucket; returns its store URL."""
        import botocore.session  # type: ignore[import-untyped]

        client = botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=S3_KEY,
            aws_secret_access_key=S3_SECRET,
        )
        client.create_bucket(Bucket=name)
        client.close()
        return f"s3://{name}"


class FaultyProxy(ServerProcess):
    """Passes HTTP on to another server and misbehaves on demand (see `fault`), counting what it is asked."""

    def __init__(self, upstream: str, port: int | None = None) -> None:
        super().__init__("proxy", "--upstream", upstream, port=port)

    def fault(self, kind: str, times: int = 1, *, method: str = "", seconds: float = 0.0) -> None:
        """Spoil the next `times` requests (of that method only, if given).

        Kinds: `error` answers 500, `throttle` 503 SlowDown, `reset` breaks the connection before the server sees
        the request, `lost` breaks it after the server has answered, `cut` breaks it in the middle of the answer's
        body, `slow` waits `seconds` first, `trickle` sends the answer a byte at a time, `seconds` apart.
        Two are servers that know no conditional puts: `unconditional` ignores If-None-Match, as many did before they
        learnt it, and `unimplemented` answers 501 to it.
        """
        self._control({"kind": kind, "times": times, "method": method, "seconds": seconds})

    def reset(self) -> None:
        """Forget faults and counts."""
        self._control({"forget": True})

    def requests(self) -> list[str]:
        """Method and path of every request since the last `reset`, spoilt ones included."""
        seen: list[str] = self._control({})["requests"]
        return seen

    def _control(self, message: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}/__control__", data=json.dumps(message).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            content: dict[str, Any] = json.loads(answer.read())
            return content


@contextmanager
def s3_server(preload: Path | None = None) -> Iterator[S3Server]:
    """A running S3 server."""
    server = S3Server(preload=preload)
    with server:
        yield server


class _Proxy(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, upstream: str) -> None:
        super().__init__(("127.0.0.1", port), _ProxyHandler)
        host, _, upstream_port = upstream.removeprefix("http://").partition(":")
        self.upstream = (host, int(upstream_port))
        self.faults: list[dict[str, Any]] = []
        self.seen: list[str] = []
        self.lock = threading.Lock()

    def take_fault(self, method: str, path: str) -> dict[str, Any]:
        with self.lock:
            self.seen.append(f"{method} {path}")
            for fault in self.faults:
                if fault["times"] > 0 and fault["method"] in ("", method):
                    fault["times"] -= 1
                    return fault
        return {"kind": "none", "seconds": 0.0}

    def control(self, message: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            if message.get("forget"):
                self.faults.clear()
                self.seen.clear()
            elif "kind" in message:
                self.faults.append(message)
            return {"requests": list(self.seen)}


class _ProxyHandler(socketserver.StreamRequestHandler):
    """One request per connection, with a fresh connection to the server for each."""

    server: _Proxy

    def handle(self) -> None:
        head = self._head(self.rfile)
        if not head:
            return
        method, path = head.split(b" ", 2)[:2]
        if path == b"/__control__":
            body = json.dumps(self.server.control(json.loads(self._body(self.rfile, head)))).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            return
        fault = self.server.take_fault(method.decode(), path.decode())
        time.sleep(fault["seconds"] if fault["kind"] == "slow" else 0)
        if fault["kind"] == "reset":
            self._break()
        elif fault["kind"] in ("error", "throttle") or (fault["kind"] == "unimplemented" and _is_conditional(head)):
            self._request_body(head)
            self._refuse(fault["kind"])
        else:
            self._pass_on(head, fault)

    def _pass_on(self, head: bytes, fault: dict[str, Any]) -> None:
        body = self._request_body(head)
        with socket.create_connection(self.server.upstream) as upstream:
            dropped = (b"if-none-match:",) if fault["kind"] == "unconditional" else ()
            upstream.sendall(_without_persistence(head, *dropped) + body)
            with upstream.makefile("rb") as stream:
                answer = stream.read()
        if fault["kind"] == "lost":
            self._break()
        elif fault["kind"] == "cut":
            self.wfile.write(answer[: max(answer.index(b"\r\n\r\n") + 5, len(answer) // 2)])
            self._break()
        elif fault["kind"] == "trickle":
            for byte in answer:
                self.wfile.write(bytes([byte]))
                time.sleep(fault["seconds"])
        else:
            self.wfile.write(answer)

    def _request_body(self, head: bytes) -> bytes:
        if b"expect: 100-continue" in head.lower():
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._body(self.rfile, head)

    @staticmethod
    def _head(stream: Any) -> bytes:
        lines = [stream.readline()]
        while lines[-1] not in (b"\r\n", b""):
            lines.append(stream.readline())
        return b"".join(lines)

    @staticmethod
    def _body(stream: Any, head: bytes) -> bytes:
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                content: bytes = stream.read(int(value))
                return content
        return b""

    def _refuse(self, kind: str) -> None:
        status, code = {
            "error": ("500", "InternalError"),
            "throttle": ("503", "SlowDown"),
            "unimplemented": ("501", "NotImplemented"),
        }[kind]
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as asked</Message></Error>".encode()
        self.wfile.write(
            f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )

    def _break(self) -> None:
        """Close with a reset, as a dying server or a cut cable would."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def _is_conditional(head: bytes) -> bool:
    return b"\r\nif-none-match:" in head.lower()


def _without_persistence(head: bytes, *dropped: bytes) -> bytes:
    unwanted = (b"connection:", b"expect:", *dropped)
    kept = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(unwanted)]
    return b"\r\n".join([*kept, b"Connection: close", b"", b""])


def _serve_s3(port: int, preload: str) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends
    from moto.server import main as moto_main

    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for bucket in Path(preload).iterdir() if preload else ():
        backend.create_bucket(bucket.name, "us-east-1")
        for path in bucket.rglob("*"):
            if path.is_file():
                backend.put_object(bucket.name, path.relative_to(bucket).as_posix(), path.read_bytes())
    moto_main(["-H", "127.0.0.1", "-p", str(port)])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["s3", "proxy"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", default="")
    parser.add_argument("--preload", default="")
    options = parser.parse_args()
    if options.kind == "s3":
        _serve_s3(options.port, options.preload)
    else:
        with _Proxy(options.port, options.upstream) as proxy:
            proxy.serve_forever()


if __name__ == "__main__":
    main()
