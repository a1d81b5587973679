"""What the page's script does, in Python: signs in, delegates, labels, claims over HTTP."""

from __future__ import annotations

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
from tests.webapp.fake_desk import FakeDesk

ORIGIN = "http://127.0.0.1:8000"
CAMPAIGN = "/api/campaigns/1"


class BrowserDouble:
    """One browser with one wallet."""

    def __init__(self, app: Flask, desk: FakeDesk, name: str = "contributor") -> None:
        self.desk = desk
        self.http = app.test_client()
        self.key, self.session_key = keccak256(name.encode()), keccak256(f"{name} key".encode())
        self.address, self.session_address = address_of(self.key), address_of(self.session_key)

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.http.get(path, base_url=ORIGIN, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> TestResponse:
        more.setdefault("headers", {"Origin": ORIGIN})
        return self.http.post(path, json=json if json is not None else {}, base_url=ORIGIN, **more)

    def challenge(self) -> dict[str, str]:
        return self.post("/api/session/challenge", {"address": _hex(self.address)}).get_json()

    def wallet_signs(self, message: str) -> str:
        return _hex(bytes(Account.sign_message(encode_defunct(text=message), self.key).signature))

    def sign_in(self) -> TestResponse:
        challenge = self.challenge()
        signature = self.wallet_signs(challenge["message"])
        return self.post("/api/session", {"nonce": challenge["nonce"], "signature": signature})

    def delegation(self, **changes: Any) -> bytes:
        parts = {
            "source": 0,
            "contributor": self.address,
            "session_key": self.session_address,
            "generation": 1,
            "valid_until": int(self.desk.now()) + 3600,
            "consent": self.desk.view.consent,
            "signature": bytes(65),
        }
        unsigned = entries.Delegation(**{**parts, **changes})
        signature = sign(self.key, unsigned.struct(1).digest(self.desk.domain))
        return entries.encode_entry(
            entries.Delegation(**{**parts, **changes, "signature": signature})
        )

    def delegate(self) -> TestResponse:
        return self.post(f"{CAMPAIGN}/delegations", {"entry": _hex(self.delegation())})

    def lease(self, count: int = 10) -> TestResponse:
        return self.post(f"{CAMPAIGN}/leases", {"count": count})

    def submission(self, answers: dict[int, str], sequence: int = 1) -> dict[str, Any]:
        """The body of a submission of `answers` by item number."""
        seed = keccak256(f"seed {sequence}".encode())
        texts = [encode_json(answer) for answer in answers.values()]
        text = encode_cbor({"answers": [one.decode() for one in texts], "seed": seed})
        boxes = sorted(
            (key, nacl.public.SealedBox(nacl.public.PublicKey(key)).encrypt(text))
            for key in self.desk.view.operator_keys
        )
        opening = SealedOpening(tuple(boxes)).block
        labels = tuple(
            commit_label(self.desk.item_id(item), sha256(text), label_salt(seed, place))
            for place, (item, text) in enumerate(zip(answers, texts, strict=True))
        )
        struct = structs.Submission(
            self.address,
            1,
            sequence,
            self.desk.view.guideline,
            labels,
            opening.digest,
            1_760_000_000,
        )
        entry = entries.Submission(
            self.address,
            sequence,
            struct.guideline,
            struct.opening,
            struct.submitted_at,
            labels,
            tuple(answers),
            sign(self.session_key, struct.digest(self.desk.domain)),
        )
        return {
            "entry": _hex(entries.encode_entry(entry)),
            "answers": [one.decode() for one in texts],
            "seed": _hex(seed),
            "opening": _hex(opening.data),
        }

    def submit(self, answers: dict[int, str], sequence: int = 1) -> TestResponse:
        return self.post(f"{CAMPAIGN}/submissions", self.submission(answers, sequence))

    def status(self) -> dict[str, Any]:
        return self.get(f"{CAMPAIGN}/status").get_json()


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
