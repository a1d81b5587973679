from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from flask import Flask

from oracle.errors import ConfigError
from oracle.transport.listening import SWITCH_SECONDS, listening
from webapp.server import serve

ROOT = Path(__file__).parents[2]
SERVE = """
import sys
from tests.webapp.fake_desk import FakeDesk
from tests.support.people import community_in
from webapp import Settings, create_app
from webapp.server import serve
port = int(sys.argv[1])
settings = Settings((f"http://127.0.0.1:{port}",), b"k" * 32)
with community_in() as community:
    serve(create_app(FakeDesk(), community, settings), "127.0.0.1", port)
print("stopped cleanly")
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def health(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        return int(answer.status)


@pytest.mark.services
def test_running__with_block__serves_and_frees_the_port(app: Flask) -> None:
    port = free_port()
    for _ in range(2):
        with listening(app, "127.0.0.1", port):
            assert health(port) == 200
        with pytest.raises(urllib.error.URLError):
            health(port)


@pytest.mark.services
def test_running__with_block__threads_let_one_another_go_on_sooner(app: Flask) -> None:
    before = sys.getswitchinterval()
    with listening(app, "127.0.0.1", free_port()):
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    assert sys.getswitchinterval() == before > SWITCH_SECONDS


@pytest.mark.services
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve__signal__stops_cleanly(number: signal.Signals) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                assert health(port) == 200
                break
            except urllib.error.URLError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        process.send_signal(number)
        output, _ = process.communicate(timeout=15)
        assert process.returncode == 0
        assert output == "stopped cleanly\n"
    finally:
        process.kill()
        process.wait()


def test_serve__script_not_built__names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="npm run build"):
        serve(Flask("bare", static_folder=str(tmp_path)), "127.0.0.1", 0)


@pytest.mark.services
def test_running__unusable_address__names_the_remedy(app: Flask) -> None:
    port = free_port()
    with listening(app, "127.0.0.1", port):
        with (
            pytest.raises(ConfigError, match="choose another address or port"),
            listening(app, "127.0.0.1", port),
        ):
            pass
        assert health(port) == 200
    with pytest.raises(ConfigError, match="no IP address"), listening(app, "my host", port):
        pass
