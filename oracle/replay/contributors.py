"""A simulated contributor at the real gateway: delegates, leases, answers, signs, seals, submits.

All that a person's wallet and browser draw at random comes from a seed here, so that a run can be
repeated to the bit: every block hash depends on every signature, and every draw on a block hash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from nacl.encoding import RawEncoder
from nacl.hash import blake2b
from nacl.public import Box, PrivateKey, PublicKey

from oracle.content.sealing import seal_opening
from oracle.errors import GatewayBusy
from oracle.evidence import entries
from oracle.evidence.campaign import commit_label, label_salt
from oracle.evidence.codec import encode_json
from oracle.evidence.hashing import keccak256, sha256, word
from oracle.evidence.signing import address_of, sign
from oracle.evidence.structs import Domain
from oracle.gateway.gateway import Gateway


class SimulatedContributor:
    """A wallet and its session key at one gateway.

    `answer` maps an item number to a class; `secret` (32 bytes) stands for all that a person would
    draw at random; `submitted` counts the submissions that they made before.
    """

    def __init__(
        self,
        gateway: Gateway,
        domain: Domain,
        wallet_key: bytes,
        *,
        secret: bytes,
        answer: Callable[[int], int],
        submitted: int = 0,
    ) -> None:
        self.gateway, self.domain = gateway, domain
        self.address = address_of(wallet_key)
        self._wallet_key, self._secret, self._answer = wallet_key, secret, answer
        self._session_key = keccak256(b"session" + secret)
        self._sequence = submitted

    def delegate(self, valid_until: int) -> None:
        """Let the wallet sign, once, that its session key may label until `valid_until` (Unix
        seconds)."""
        entry = entries.Delegation(
            0,
            self.address,
            address_of(self._session_key),
            0,
            valid_until,
            self.gateway.manifest.consent,
            entries.NO_SIGNATURE,
        )
        digest = entry.struct(self.gateway.campaign).digest(self.domain)
        self.gateway.delegate(replace(entry, signature=sign(self._wallet_key, digest)))

    def work(self, count: int, now: int) -> int:
        """Lease up to `count` items, answer and submit them; return how many there were.

        `now` (Unix seconds) is the time that the submission names.
        """
        try:
            lease = self.gateway.lease(self.address, count)
        except GatewayBusy:
            return 0
        self.submit([one.number for one in lease.items], now)
        return len(lease.items)

    def submit(self, items: Sequence[int], now: int) -> None:
        """Answer leased items and hand them in, signed by the session key."""
        gateway, manifest = self.gateway, self.gateway.manifest
        self._sequence += 1
        seed = keccak256(b"salts" + self._secret + word(self._sequence))
        answers = [encode_json(manifest.classes[self._answer(item)]) for item in items]
        opening = seal_opening(
            answers, seed, sorted(gateway.operator_keys), partial(box_by_seed, seed)
        ).block.data
        entry = entries.Submission(
            self.address,
            self._sequence,
            manifest.guidelines,
            sha256(opening),
            now,
            tuple(
                commit_label(gateway.item_ids[item], sha256(answer), label_salt(seed, index))
                for index, (item, answer) in enumerate(zip(items, answers, strict=True))
            ),
            tuple(items),
            entries.NO_SIGNATURE,
        )
        digest = entry.struct(gateway.campaign).digest(self.domain)
        signed = replace(entry, signature=sign(self._session_key, digest))
        gateway.submit(signed, answers=answers, seed=seed, opening=opening)


def box_by_seed(seed: bytes, plain: bytes, key: bytes) -> bytes:
    """Return a sealed box whose key pair comes from `seed`: the same bytes each time.

    It is libsodium's crypto_box_seal but for where the ephemeral key comes from, so that operators
    open it as any other. Source: libsodium, "Sealed boxes" (nonce = blake2b of both public keys).
    """
    ephemeral = PrivateKey(keccak256(b"ephemeral" + seed + key))
    public = bytes(ephemeral.public_key)
    nonce = blake2b(public + key, digest_size=Box.NONCE_SIZE, encoder=RawEncoder)
    return public + Box(ephemeral, PublicKey(key)).encrypt(plain, nonce).ciphertext
