"""How long from a fresh state to the first paid label: `ddlp serve` starts, a person comes.

    .venv/bin/python bench/load/first_pay.py

The person signs in, delegates, passes the exam, labels digits as they are given out, and claims
what an epoch's receipt has paid; prints the seconds after which each was done. Before it stand, in
a fresh clone, what `make serve` fetches and builds (time it by itself: `time make venv
webapp/static/app.js`).
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from oracle.replay.digits import digit_truth, digits  # noqa: E402
from tests.webapp.browser_double import CAMPAIGN, BrowserDouble  # noqa: E402

LONGEST = 900  # seconds until something is wrong


class Connection:
    """What a browser's double speaks through: Flask's test client, over a real connection."""

    def __init__(self) -> None:
        self._http = requests.Session()

    def get(self, path: str, base_url: str, **more: Any) -> Any:
        return _answered(self._http.get(base_url + path, timeout=60, **more))

    def post(self, path: str, base_url: str, **more: Any) -> Any:
        return _answered(self._http.post(base_url + path, timeout=60, **more))


def _answered(response: Any) -> Any:
    response.get_json = response.json
    return response


def listens(port: int) -> bool:
    """Whether a connection is taken."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    images, numbers = digits(600)
    truth = dict(zip(images, numbers, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()

        def done(what: str) -> None:
            print(f"{time.monotonic() - began:7.1f} s  {what}", flush=True)

        server = subprocess.Popen(
            [sys.executable, "-m", "oracle.cli", "serve", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | {"DDLP_STATE_DIR": str(Path(folder) / "state")},
            stdout=subprocess.DEVNULL,
        )
        try:
            while not listens(port):
                if server.poll() is not None:
                    raise SystemExit("the server didn't start: see above")
                time.sleep(0.2)
            done("the page answers")
            browser = BrowserDouble(Connection(), origin=f"http://127.0.0.1:{port}")
            assert browser.sign_in().status_code == 201
            while browser.delegate().status_code != 201:  # the log may have no anchor yet
                assert time.monotonic() - began < LONGEST
                time.sleep(1)
            done("signed in and delegated")
            assert browser.post("/campaigns/1/exam/begin").status_code == 200
            asked = set(re.findall(r'name="(scan-(\d+))"', browser.get("/campaigns/1/exam").text))
            known = digit_truth()
            passed = browser.post(
                "/campaigns/1/exam", data={name: known[int(place)] for name, place in asked}
            )
            assert "You passed" in passed.text, passed.text
            done("the exam passed")
            sequence = 0
            while time.monotonic() - began < LONGEST:
                if int(browser.status()["earned"]) > 0:
                    done("paid: a receipt is final")
                    claimed = browser.post(f"{CAMPAIGN}/claims")
                    assert claimed.status_code == 201, claimed.text
                    done(f"claimed: {claimed.get_json()['amount']} base units in the wallet")
                    return
                leased = browser.lease()
                assert leased.status_code in (200, 201), leased.text
                items = leased.get_json()["items"]
                if not items or sequence == 10:
                    time.sleep(1)
                    continue
                answers = {}
                for item in items:
                    image = browser.get(f"/campaigns/1/items/{item['number']}").content
                    answers[item["number"]] = str(truth[image])
                sequence += 1
                assert browser.submit(answers, sequence).status_code == 201
                if sequence == 1:
                    done("ten labels handed in")
            raise SystemExit(f"nothing was paid within {LONGEST} seconds")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)


if __name__ == "__main__":
    main()
