"""What the page's script does, in Python: signs in, delegates, labels, claims over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import nacl.public
from eth_account import Account
from eth_account.messages import encode_defunct
from flask import Flask
from werkzeug.test import TestResponse

from oracle.evidence import entries, structs
from oracle.evidence.campaign import SealedOpening, commit_label, label_salt
from oracle.evidence.codec import encode_cbor, encode_json
from oracle.evidence.hashing import keccak256, sha256
from oracle.evidence.signing import address_of, sign

ORIGIN = "http://127.0.0.1:8000"
CAMPAIGN = "/api/campaigns/1"


class BrowserDouble:
    """One browser with one wallet, at campaign `number` of the application behind `origin`: `app`
    itself, or what has the same `get` and `post` as its test client and reaches it otherwise."""

    def __init__(
        self,
        app: Flask | Any,
        name: str = "contributor",
        *,
        origin: str = ORIGIN,
        now: Callable[[], float] = time.time,
        number: int = 1,
    ) -> None:
        self.http = app.test_client() if isinstance(app, Flask) else app
        self.origin, self.now = origin, now
        self.key, self.session_key = keccak256(name.encode()), keccak256(f"{name} key".encode())
        self.address, self.session_address = address_of(self.key), address_of(self.session_key)
        self.item_ids: dict[int, bytes] = {}
        self.number, self.path = number, f"/api/campaigns/{number}"
        about = self.get(self.path).get_json()
        self.campaign = about["campaign"]
        self.domain = structs.Domain(
            about["network"]["chainId"], _bytes(about["network"]["escrow"])
        )

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.http.get(path, base_url=self.origin, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> TestResponse:
        more.setdefault("headers", {"Origin": self.origin})
        body = json if json is not None else {}
        return self.http.post(path, json=body, base_url=self.origin, **more)

    def challenge(self) -> dict[str, str]:
        return self.post("/api/session/challenge", {"address": _hex(self.address)}).get_json()

    def wallet_signs(self, message: str) -> str:
        return _hex(bytes(Account.sign_message(encode_defunct(text=message), self.key).signature))

    def sign_in(self) -> TestResponse:
        challenge = self.challenge()
        signature = self.wallet_signs(challenge["message"])
        return self.post("/api/session", {"nonce": challenge["nonce"], "signature": signature})

    def delegation(self, *, generation: int = 1) -> bytes:
        """The log entry of a delegation to this browser's session key."""
        struct = structs.Delegation(
            self.address,
            self.session_address,
            self.number,
            generation,
            int(self.now()) + 30 * 86_400,
            _bytes(self.campaign["consent"]),
        )
        return entries.encode_entry(
            entries.Delegation(
                0,
                struct.contributor,
                struct.session_key,
                struct.generation,
                struct.valid_until,
                struct.consent,
                sign(self.key, struct.digest(self.domain)),
            )
        )

    def delegate(self) -> TestResponse:
        return self.post(f"{self.path}/delegations", {"entry": _hex(self.delegation())})

    def lease(self, count: int = 10) -> TestResponse:
        answer = self.post(f"{self.path}/leases", {"count": count})
        for item in answer.get_json().get("items", ()):
            self.item_ids[item["number"]] = _bytes(item["item"])
        return answer

    def submission(self, answers: dict[int, str], sequence: int = 1) -> dict[str, Any]:
        """The body of a submission of `answers` by number of an item leased before."""
        seed = keccak256(f"seed {sequence}".encode())
        texts = [encode_json(answer) for answer in answers.values()]
        text = encode_cbor({"answers": [one.decode() for one in texts], "seed": seed})
        boxes = sorted(
            (key, nacl.public.SealedBox(nacl.public.PublicKey(key)).encrypt(text))
            for key in map(_bytes, self.campaign["operatorKeys"])
        )
        opening = SealedOpening(tuple(boxes)).block
        labels = tuple(
            commit_label(self.item_ids[item], sha256(text), label_salt(seed, place))
            for place, (item, text) in enumerate(zip(answers, texts, strict=True))
        )
        struct = structs.Submission(
            self.address,
            self.number,
            sequence,
            _bytes(self.campaign["guideline"]),
            tuple(answers),
            labels,
            opening.digest,
            int(self.now()),
        )
        entry = entries.Submission(
            self.address,
            sequence,
            struct.guideline,
            struct.opening,
            struct.submitted_at,
            labels,
            struct.items,
            sign(self.session_key, struct.digest(self.domain)),
        )
        return {
            "entry": _hex(entries.encode_entry(entry)),
            "answers": [one.decode() for one in texts],
            "seed": _hex(seed),
            "opening": _hex(opening.data),
        }

    def submit(self, answers: dict[int, str], sequence: int = 1) -> TestResponse:
        return self.post(f"{self.path}/submissions", self.submission(answers, sequence))

    def appeal_entry(self, index: int, reason: str) -> dict[str, str]:
        """An appeal of a label of the newest submission that has one to be appealed."""
        page = self.get(f"/earnings/campaigns/{self.number}").text
        digest = bytes.fromhex(page.split('data-submission="0x')[1][:64])
        struct = structs.Appeal(self.address, self.number, digest, index, sha256(reason.encode()))
        signature = sign(self.key, struct.digest(self.domain))
        entry = entries.Appeal(self.address, digest, index, struct.reason, signature)
        return {"entry": _hex(entries.encode_entry(entry))}

    def appeal(self, index: int, reason: str) -> TestResponse:
        return self.post(f"{self.path}/appeals", self.appeal_entry(index, reason))

    def adjudication(self, item: bytes, answer: str, reason: str) -> dict[str, str]:
        """An expert's answer about an item (its id)."""
        digest = sha256(encode_json(answer))
        struct = structs.Adjudication(
            self.address, self.number, item, digest, sha256(reason.encode())
        )
        signature = sign(self.key, struct.digest(self.domain))
        entry = entries.Adjudication(self.address, item, digest, struct.reason, signature)
        return {"entry": _hex(entries.encode_entry(entry))}

    def adjudicate(self, item: bytes, answer: str, reason: str) -> TestResponse:
        return self.post(f"{self.path}/adjudications", self.adjudication(item, answer, reason))

    def status(self) -> dict[str, Any]:
        return self.get(f"{self.path}/status").get_json()


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
