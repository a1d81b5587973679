"""Locust's side of bench/web.py: people at work, each with wallet, session key and live stream.

Runs in Locust's own environment. `WEB_PEOPLE` says how many, `WEB_SECONDS` how long they are
measured once all are at work, `WEB_OUT` where the requests go: kind, start (Unix seconds),
milliseconds, error.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, constant_pacing, events, task

from tests.webapp.browser_double import CAMPAIGN, BrowserDouble

PEOPLE, SECONDS = int(os.environ["WEB_PEOPLE"]), float(os.environ["WEB_SECONDS"])
PAGE, PAGE_SECONDS = 10, 10
STREAM_SECONDS = 4  # webapp/earnings.py asks browsers to come again after so long
BARE_PAGES = 2  # the peer is asked once in so many pages
CLASSES, ACCURACY = 10, 0.9
KINDS = {
    f"{CAMPAIGN}/leases": "next page",
    f"{CAMPAIGN}/submissions": "submit",
    "/api/earnings/stream": "stream",
    f"{CAMPAIGN}/status": "status",
    f"{CAMPAIGN}/delegations": "delegate",
    "/api/session/challenge": "challenge",
    "/api/session": "sign in",
    "/bare": "bare",
}

requests: list[tuple[str, float, float, str | None]] = []
ready: list[BrowserDouble] = []
began: list[float] = []


@events.request.add_listener
def note(
    name: str, response_time: float, exception: BaseException | None, start_time: float, **_: Any
) -> None:
    requests.append((name, start_time, response_time, repr(exception) if exception else None))


@events.user_error.add_listener
def give_up(user_instance: Any, exception: BaseException, **_: Any) -> None:
    requests.append(("person", time.time(), 0.0, repr(exception)))
    user_instance.environment.runner.quit()


@events.quitting.add_listener
def write(environment: Any, **_: Any) -> None:
    report = {"began": began[0] if began else None, "requests": requests}
    Path(os.environ["WEB_OUT"]).write_text(json.dumps(report))


class Connection:
    """What a browser's double speaks through: Flask's test client, over a real connection."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def get(self, path: str, base_url: str, **more: Any) -> Any:
        return _answered(self._client.get(path, name=KINDS.get(path, "page"), **more))

    def post(self, path: str, base_url: str, **more: Any) -> Any:
        return _answered(self._client.post(path, name=KINDS[path], **more))


def _answered(response: Any) -> Any:
    response.get_json = lambda: json.loads(response.text or "{}")
    return response


class Contributor(FastHttpUser):
    """Signs in and delegates, then answers a page every ten seconds, while sums come in live."""

    wait_time = constant_pacing(PAGE_SECONDS)
    connection_timeout = network_timeout = 30.0
    numbers = iter(range(PEOPLE))

    def on_start(self) -> None:
        self.random = random.Random(number := next(self.numbers))
        self.browser = BrowserDouble(
            Connection(self.client), f"person {number}", origin=self.host or ""
        )
        assert self.browser.sign_in().status_code == 201
        assert self.browser.delegate().status_code == 201
        self.sequence = 0
        self.page: dict[int, str] = {}
        gevent.spawn(self.follow)
        while not self.page:  # items are drawn from the second anchor after the delegation on
            gevent.sleep(2)
            self.next_page()
        gevent.sleep(self.random.uniform(0, PAGE_SECONDS))
        ready.append(self.browser)
        if len(ready) == PEOPLE:
            began.append(time.time())
            gevent.spawn_later(SECONDS, self.environment.runner.quit)

    @task
    def work(self) -> None:
        self.submit()
        self.next_page()
        if 0 < len(self.page) < PAGE:  # the epoch ends: there is less time, and less to do
            gevent.sleep(len(self.page) * PAGE_SECONDS / PAGE)
            self.submit()
        if self.sequence % BARE_PAGES == 0:
            self.browser.post("/bare", {"count": PAGE})

    def submit(self) -> None:
        if self.page:
            self.sequence += 1
            if self.browser.submit(self.page, self.sequence).status_code == 201:
                self.page = {}

    def next_page(self) -> None:
        answer = self.browser.lease(PAGE).get_json()
        self.page = {
            item["number"]: self.answer(item["first"]["text"]) for item in answer.get("items", ())
        }

    def answer(self, text: str) -> str:
        """What the item's last digit is, or now and then another."""
        right = int(text.rstrip("?")[-1])
        shift = 0 if self.random.random() < ACCURACY else self.random.randrange(1, CLASSES)
        return str((right + shift) % CLASSES)

    def follow(self) -> None:
        newest: str | None = None
        gevent.sleep(self.random.uniform(0, STREAM_SECONDS))
        while True:
            headers = {"Accept": "text/event-stream"}
            if newest is not None:
                headers["Last-Event-ID"] = newest
            text = self.browser.get("/api/earnings/stream", headers=headers).text or ""
            names = [line[4:] for line in text.splitlines() if line.startswith("id: ")]
            newest = names[-1] if names else newest
            self.browser.status()  # the page of labels asks as often
            gevent.sleep(STREAM_SECONDS)
