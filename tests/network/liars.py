"""Links that drop, and what one operator of four may do to the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from oracle.errors import GatewayRefusal
from oracle.evidence.codec import decode_json
from oracle.evidence.hashing import ZERO32, keccak256
from oracle.evidence.signing import address_of, sign
from oracle.evidence.structs import Confirmation
from oracle.ports import Filing, Holding, LeaseCertificate, Missing, Proposal, Vote
from oracle.protocol.decide import decide
from oracle.service import member as members
from oracle.service.follower import submission_of
from oracle.service.member import Member, Progress, Step
from oracle.service.round import digest_of

if TYPE_CHECKING:
    from tests.network.schedule import Schedule


class Lossy:
    """An operator at the end of a link that drops questions or answers, and repeats some."""

    def __init__(self, schedule: Schedule, port: Any) -> None:
        self._schedule, self._port = schedule, port

    @property
    def address(self) -> bytes:
        return bytes(self._port.address)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)
        dice, drops = self._schedule.dice, self._schedule.plan.drops

        def call(*arguments: Any) -> Any:
            if dice.random() < drops / 2:
                self._schedule.occurred["link loses a question"] += 1
                raise GatewayRefusal("LINK", "the question is lost: ask again")
            if dice.random() < drops / 4:
                self._schedule.occurred["link repeats a question"] += 1
                method(*arguments)
            answer = method(*arguments)
            if dice.random() < drops / 2:
                self._schedule.occurred["link loses an answer"] += 1
                raise GatewayRefusal("LINK", "the answer is lost: ask again")
            return answer

        return call


class Liar:
    """An operator that does as it should; others bend it."""

    def __init__(self, schedule: Schedule, member: Member) -> None:
        self.schedule, self.member = schedule, member
        self.address = member.address
        self.key = next(key for key in schedule.keys if address_of(key) == self.address)

    def misbehaved(self) -> None:
        """Note that it has just done what its name says."""
        self.schedule.occurred[f"operator {type(self).__name__}"] += 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.member, name)


class Crashed(Liar):
    """Never there."""

    def step(self) -> Progress:
        return Progress(Step.NOTHING)

    def _gone(self, *arguments: Any) -> Any:
        self.misbehaved()
        raise GatewayRefusal("GONE", "nobody answers: ask others")

    holding = rows = filings = openings = vote = confirm = certify = file = holds = _gone


class Silent(Liar):
    """Follows, tells and signs nothing."""

    def step(self) -> Progress:
        self.member.follow()
        return Progress(Step.NOTHING)

    def vote(self, proposal: Proposal) -> Vote:
        self.misbehaved()
        raise GatewayRefusal("GONE", "nobody answers: ask others")

    def holding(self) -> Holding:
        return Holding(None, (), (), ())


class SignsAnything(Liar):
    """Signs other receipts than the inputs come to, confirms every lease, keeps no filing."""

    def vote(self, proposal: Proposal) -> Vote:
        self.misbehaved()
        return Vote(sign(self.key, keccak256(proposal.signature)))

    def file(self, filing: Filing) -> bytes:
        self.misbehaved()
        return b"\x01" * 65

    def holds(self, wanted: Sequence[bytes]) -> tuple[bytes, ...]:
        return tuple(wanted)

    def certify(self, certificate: LeaseCertificate) -> None:
        return None

    def confirm(self, position: int, entry_hash: bytes) -> bytes:
        row = next((one for one in self.member.log.rows if one.position == position), None)
        head = row.head if row is not None else ZERO32
        digest = Confirmation(7, position, entry_hash, head)
        return sign(self.key, digest.digest(self.schedule.chain.known.board_domain))


class RefusesAll(Liar):
    """Refuses every proposal, handing over garbage."""

    def vote(self, proposal: Proposal) -> Vote:
        self.misbehaved()
        rows = tuple(replace(one, data=b"\x07") for one in proposal.rows[:3])
        missing = Missing(
            rows=rows,
            filings=(Filing(b"\x03garbage", b""), Filing(b"", b"")),
            seed=b"\x05" * 32,
            certificates=tuple(LeaseCertificate(one, (b"\x1b" * 65,) * 3) for one in rows),
        )
        return Vote(None, "PROPOSAL-LOG", "epoch 1", "no", missing)


class TellsGarbage(Liar):
    """Answers its peers with what nobody signed."""

    def holding(self) -> Holding:
        told = self.member.holding()
        newest = told.newest
        if newest is not None:
            self.misbehaved()
            newest = replace(newest, position=newest.position + 5, head=b"\x01" * 32)
        return Holding(newest, (b"\x01" * 32,), (b"\x02" * 32, *told.opened), ())

    def rows(self, after: int, limit: int) -> tuple[Any, ...]:
        return tuple(replace(one, head=ZERO32) for one in self.member.rows(after, limit))

    def filings(self, wanted: Sequence[bytes]) -> tuple[Filing, ...]:
        return (Filing(b"\x03", b"\x00"), Filing(b"\x02" + b"\x00" * 44, b""))

    def openings(self, wanted: Sequence[bytes]) -> tuple[Any, ...]:
        return tuple(replace(one, seed=ZERO32) for one in self.member.openings(wanted))


class Bent(Liar):
    """Leads with inputs of its own choosing; each peer may get others."""

    def bend(self, proposal: Proposal, number: int) -> Proposal:
        raise NotImplementedError

    def step(self) -> Progress:
        """Lead with bent inputs, and sign them itself: what it left out it doesn't look for."""
        honest_lead, honest_derive = members.lead, members.derive

        def bent_lead(*arguments: Any, **named: Any) -> Proposal:
            return self.signed(self.bent(honest_lead(*arguments, **named), 0))

        def derive(campaign: Any, previous: Any, held: Any, proposal: Proposal) -> Any:
            if held.opened is not self.member.log.opened:
                return honest_derive(campaign, previous, held, proposal)
            settled = previous.receipt.log_position if previous is not None else 0
            rows = [*held.rows[:settled], *proposal.rows]
            return decide(campaign, previous, rows, proposal.supplement, proposal.attempt)

        members.lead, members.derive = bent_lead, derive
        try:
            return self.member.step()
        finally:
            members.lead, members.derive = honest_lead, honest_derive

    def bent(self, proposal: Proposal, number: int) -> Proposal:
        """Bend a proposal, and note it where that made a difference."""
        found = self.bend(proposal, number)
        if found != proposal:
            self.misbehaved()
        return found

    def signed(self, proposal: Proposal) -> Proposal:
        campaign = self.schedule.read_campaign()
        results = self.member.results
        digest = digest_of(proposal, campaign, results[-1] if results else None)
        return replace(proposal, signature=sign(self.key, digest))


class Bending:
    """A peer, as a bent leader reaches it."""

    def __init__(self, liar: Bent, peer: Any, number: int) -> None:
        self._liar, self._peer, self._number = liar, peer, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peer, name)

    def vote(self, proposal: Proposal) -> Vote:
        bent = self._liar.bent(proposal, self._number)
        vote = self._peer.vote(self._liar.signed(bent))
        assert isinstance(vote, Vote)
        return vote


class OmitsOpenings(Bent):
    """Leaves out the openings of some."""

    def bend(self, proposal: Proposal, number: int) -> Proposal:
        rows = proposal.supplement.openings
        kept = tuple(row for row in rows if (row.position + number) % 3)
        return replace(proposal, supplement=replace(proposal.supplement, openings=kept))


class OmitsFilings(Bent):
    """Leaves out all filings."""

    def bend(self, proposal: Proposal, number: int) -> Proposal:
        opened = tuple(row for row in proposal.supplement.openings if row.position < 1 << 63)
        supplement = replace(proposal.supplement, filings=(), openings=opened)
        return replace(proposal, supplement=supplement)


class CutsShort(Bent):
    """Leaves out the log's end."""

    def bend(self, proposal: Proposal, number: int) -> Proposal:
        return replace(proposal, rows=proposal.rows[: len(proposal.rows) * 2 // 3])


class OmitsSecrets(Bent):
    """Leaves out seed and gold, so that the bond pays."""

    def bend(self, proposal: Proposal, number: int) -> Proposal:
        supplement = replace(proposal.supplement, seed=ZERO32, gold=())
        return replace(proposal, supplement=supplement)


class Equivocates(Bent):
    """Shows each peer other inputs."""

    def step(self) -> Progress:
        peers = self.member.peers
        self.member.peers = [Bending(self, peer, at) for at, peer in enumerate(peers)]
        try:
            return self.member.step()
        finally:
            self.member.peers = peers

    def bend(self, proposal: Proposal, number: int) -> Proposal:
        ways: list[Bent] = [
            kind(self.schedule, self.member) for kind in (OmitsOpenings, OmitsSecrets, CutsShort)
        ]
        return ways[number % 3].bend(proposal, number)


class Restless(Liar):
    """Proposes in everybody's rounds, and early."""

    def step(self) -> Progress:
        progress = self.member.step()
        campaign = self.schedule.read_campaign()
        cut = self.member._due(campaign)
        if cut is not None:
            self.misbehaved()
            for round_number in range(4):
                self.schedule.attempt(self.member._lead, campaign, *cut, round_number)
        return progress


class Tells(Liar):
    """Does its work, and tells a contributor of its own what others answered on open items."""

    def answer_to(self, item: int) -> str | None:
        """What somebody answered on an open item; None where nobody has yet."""
        for row in reversed(self.member.log.rows):
            entry = submission_of(row)
            known = self.member.log.opened.get(row.entry_hash)
            if entry is not None and known is not None and item in entry.items:
                self.misbehaved()
                return str(decode_json(known.answers[entry.items.index(item)]))
        return None


LIARS: dict[str, Callable[..., Any]] = {
    "honest": lambda schedule, member: member,
    **{
        one.__name__: one
        for one in (
            Crashed,
            Silent,
            SignsAnything,
            RefusesAll,
            TellsGarbage,
            OmitsOpenings,
            OmitsFilings,
            CutsShort,
            OmitsSecrets,
            Equivocates,
            Restless,
            Tells,
        )
    },
}
