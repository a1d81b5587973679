"""Chromium as the tests drive it, and a wallet in it (EIP-6963, EIP-1193) whose keys and signatures
are Python's.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from playwright.sync_api import Browser, Page, sync_playwright

from oracle.evidence.hashing import keccak256

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 860}
SMALL_PHONE = {"width": 360, "height": 740}

_PROVIDER = """
(() => {
  const listeners = {};
  const provider = {
    request: async ({ method, params }) => {
      const answer = await window.pythonWallet(method, JSON.stringify(params ?? []));
      const { result, code, message } = JSON.parse(answer);
      if (code) throw Object.assign(new Error(message), { code });
      return result;
    },
    on: (event, listener) => { (listeners[event] ??= []).push(listener); },
  };
  window.walletEmits = (event, value) => listeners[event]?.forEach((listener) => listener(value));
  const icon = 'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg">'
    + '<rect width="32" height="32" fill="orange"/></svg>';
  const uuid = 'd2a1f0c4-0000-4000-8000-000000000001';
  const info = Object.freeze({ uuid, name: 'Test Wallet', icon, rdns: 'org.example.wallet' });
  const detail = Object.freeze({ info, provider });
  const announce = () => window.dispatchEvent(
    new CustomEvent('eip6963:announceProvider', { detail }));
  window.addEventListener('eip6963:requestProvider', announce);
  announce();
})();
"""


def require_chromium() -> None:
    """Skip, saying what is missing, where the page can't be driven."""
    if not CHROMIUM.exists():
        pytest.skip("no Chromium: apt-get install chromium")
    if not (ROOT / "webapp" / "static" / "app.js").exists():
        pytest.skip("the page's script isn't built: npm ci && npm run build")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class TestWallet:
    """A wallet extension: answers with eth-account, notes what it was asked, and refuses what
    `declines` names.
    """

    __test__ = False

    key: bytes
    chain_id: int
    asked: list[str] = field(default_factory=list)
    declines: set[str] = field(default_factory=set)

    @classmethod
    def named(cls, name: str, chain_id: int) -> TestWallet:
        return cls(keccak256(name.encode()), chain_id)

    @property
    def address(self) -> str:
        return str(Account.from_key(self.key).address)

    def install(self, page: Page) -> None:
        """Announce the wallet in every document of `page` from now on."""
        page.expose_function("pythonWallet", self.request)
        page.add_init_script(_PROVIDER)

    def request(self, method: str, text: str) -> str:
        self.asked.append(method)
        if method in self.declines:
            return json.dumps({"code": 4001, "message": "User rejected the request."})
        return json.dumps(self._answer(method, json.loads(text)))

    def _answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        if method in ("eth_requestAccounts", "eth_accounts"):
            return {"result": [self.address]}
        if method == "eth_chainId":
            return {"result": hex(self.chain_id)}
        if method == "wallet_switchEthereumChain":
            self.chain_id = int(params[0]["chainId"], 16)
            return {"result": None}
        if method == "personal_sign":
            message = encode_defunct(hexstr=params[0])
            return {"result": "0x" + bytes(Account.sign_message(message, self.key).signature).hex()}
        if method == "eth_signTypedData_v4":
            typed = encode_typed_data(full_message=json.loads(params[1]))
            return {"result": "0x" + bytes(Account.sign_message(typed, self.key).signature).hex()}
        return {"code": 4200, "message": f"{method} is not supported"}


def watch(page: Page, origin: str) -> list[str]:
    """Return a list that fills with what must not happen: script errors, refused content, requests
    to elsewhere.
    """
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    page.on(
        "console",
        lambda line: troubles.append(f"console: {line.text}") if line.type == "error" else None,
    )
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((origin, "data:"))
            else troubles.append(f"request to {request.url}")
        ),
    )
    return troubles


def screenshot(page: Page, name: str) -> None:
    """Keep a full-page picture under SCREENSHOTS, by default build/screenshots."""
    folder = Path(os.environ.get("SCREENSHOTS", ROOT / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(folder / f"{name}.png"), full_page=True)


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
