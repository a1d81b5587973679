"""What a gateway may do to operators and contributors: one class for each way.

Each is the real gateway, or several of them, with some of its answers bent. From `since` on it
misbehaves; before, it is honest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from oracle.errors import GatewayRefusal
from oracle.evidence import entries as log
from oracle.evidence.entries import LogRow, Submission, next_head
from oracle.evidence.hashing import ZERO32, keccak256
from oracle.evidence.signing import sign
from oracle.evidence.supplement import GoldOpening
from oracle.gateway.feed import GatewayFeed
from oracle.gateway.gateway import Gateway
from oracle.ports import LeaseReply, LoggedEntry, LogPage, NewEntry, StoredSubmission
from oracle.store.labels import SqlLabelStore
from tests.support.gateway import SteadyClock
from tests.support.world import key_of

if TYPE_CHECKING:
    from tests.network.schedule import Schedule

KEY = key_of("gateway")


class GatewayScene:
    """A campaign's gateway as operators and contributors reach it."""

    def __init__(self, schedule: Schedule, behaviour: type[Honest]) -> None:
        self.schedule = schedule
        self.dice = schedule.dice
        self.main = self.open(schedule.label_store())
        self.main.follow()
        self.behaviour = behaviour(self)
        created = schedule.chain.known.created.timestamp
        self.since = created + int(self.dice.uniform(0.15, 0.85) * 1200)

    def open(self, store: SqlLabelStore) -> Gateway:
        """Start a gateway on a database."""
        schedule = self.schedule
        return Gateway(
            7,
            manifest=schedule.files.manifest,
            reader=schedule.chain,
            content=schedule.content,
            store=store,
            secrets=schedule.files.secrets,
            key=KEY,
            clock=SteadyClock(),
            operator_keys=schedule.sealing,
        )

    @property
    def bent(self) -> bool:
        """Whether the gateway misbehaves by now."""
        return self.schedule.chain.newest.timestamp >= self.since

    def feed(self, seat: int) -> Feed:
        """The log as one operator gets it."""
        return Feed(self, seat)

    def follow(self) -> None:
        """Take new anchors."""
        self.behaviour.follow()


class Feed:
    """A `LogFeed` for one operator, over a link that drops."""

    def __init__(self, scene: GatewayScene, seat: int) -> None:
        self._scene, self._seat = scene, seat

    def page(self, after: int, limit: int) -> LogPage:
        self._drop()
        return self._scene.behaviour.page(self._seat, after, limit)

    def reveal(self, epoch: int, *, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        self._drop()
        return self._scene.behaviour.reveal(self._seat, epoch, final)

    def _drop(self) -> None:
        if self._scene.dice.random() < self._scene.schedule.plan.drops:
            raise GatewayRefusal("LINK", "the link dropped it: ask again")


class Honest:
    """Does all it should."""

    fault = ""  # the code by which the rules must name what it did, where they can
    needs_money = ""  # the kind of campaign that it takes, as the schedule's MONEY names it

    def __init__(self, scene: GatewayScene) -> None:
        self.scene, self.main, self.dice = scene, scene.main, scene.dice
        self._pages: dict[tuple[int, int, int], LogPage] = {}

    def misbehaved(self) -> None:
        """Note that it has just done what its name says."""
        self.scene.schedule.occurred[f"gateway {type(self).__name__}"] += 1

    @property
    def bent(self) -> bool:
        return self.scene.bent

    def gateway_of(self, person: int) -> Gateway:
        """The gateway that a contributor talks to."""
        return self.main

    def gateway_at(self, seat: int) -> Gateway:
        """The gateway that an operator follows."""
        return self.main

    def follow(self) -> None:
        self.main.follow()

    def page(self, seat: int, after: int, limit: int) -> LogPage:
        gateway = self.gateway_at(seat)
        last = gateway._ledger.position
        if last <= after:  # the database needn't be asked
            return LogPage((), ())
        asked = (id(gateway), after, last if after + limit > last else after + limit)
        if asked not in self._pages:  # four operators ask for the same pages
            self._pages[asked] = GatewayFeed(gateway).page(after, limit)
        return self._pages[asked]

    def has_more(self, seat: int, after: int) -> bool:
        """Say whether an operator would be shown anything."""
        return self.gateway_at(seat)._ledger.position > after

    def reveal(self, seat: int, epoch: int, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        return self.gateway_at(seat).reveal(epoch, final=final)

    def delegate(self, person: int, entry: log.Delegation) -> LoggedEntry:
        return self.gateway_of(person).delegate(entry)

    def lease(self, person: int, address: bytes, count: int) -> LeaseReply:
        return self.gateway_of(person).lease(address, count)

    def submit(self, person: int, address: bytes, arguments: dict[str, Any]) -> None:
        self.gateway_of(person).submit(**arguments)

    def forge(
        self,
        data: bytes,
        submission: StoredSubmission | None = None,
        opening: bytes | None = None,
    ) -> None:
        """Put any bytes into the log, signed as an entry."""
        self.misbehaved()
        gateway = self.main
        ledger = gateway._ledger
        entry_hash = keccak256(data)
        row = LogRow(ledger.position + 1, data, entry_hash, next_head(ledger.head, entry_hash), b"")
        digest = row.signed_head(7).digest(ledger.facts.escrow_domain)
        row = replace(row, signature=sign(KEY, digest))
        if submission is not None:
            submission = replace(submission, position=row.position)
        gateway._store.append(7, [NewEntry(row, submission, opening)], now=0)
        ledger.position, ledger.head = row.position, row.head

    def forge_submission(self, entry: Submission, opening: bytes) -> None:
        """Log a submission that may not be logged, with its sealed opening."""
        domain = self.main._ledger.facts.escrow_domain
        stored = StoredSubmission(
            0,
            entry.contributor,
            entry.signer(7, domain),
            entry.sequence,
            entry.struct(7).digest(domain),
            entry.opening,
            None,
            None,
        )
        self.forge(log.encode_entry(entry), stored, opening)


# -- the log ---------------------------------------------------------------------------------------


class Hides(Honest):
    """Shows nobody what comes after some place, but goes on with contributors."""

    shown: int | None = None

    def page(self, seat: int, after: int, limit: int) -> LogPage:
        if not self.bent:
            return super().page(seat, after, limit)
        if self.shown is None:
            self.shown = self.main._ledger.position
        page = super().page(seat, after, limit)
        if page.rows and page.rows[-1].position > self.shown:
            self.misbehaved()
        return _cut(page, self.shown)


class HidesFromSome(Honest):
    """Shows its log to one honest operator only."""

    def page(self, seat: int, after: int, limit: int) -> LogPage:
        if self.bent and seat != 0 and self.has_more(seat, after):
            self.misbehaved()
            return LogPage((), ())
        return super().page(seat, after, limit)


class HidesForAWhile(Honest):
    """Shows nothing for minutes around the cut, then all."""

    def page(self, seat: int, after: int, limit: int) -> LogPage:
        time = self.scene.schedule.chain.newest.timestamp
        hidden = self.scene.since <= time < self.scene.since + 300
        if hidden and self.has_more(seat, after):
            self.misbehaved()
            return LogPage((), ())
        return super().page(seat, after, limit)


class Stops(Honest):
    """Takes nothing more, anchors neither."""

    def follow(self) -> None:
        if not self.bent:
            super().follow()

    def lease(self, person: int, address: bytes, count: int) -> LeaseReply:
        self._refuse()
        return super().lease(person, address, count)

    def submit(self, person: int, address: bytes, arguments: dict[str, Any]) -> None:
        self._refuse()
        super().submit(person, address, arguments)

    def _refuse(self) -> None:
        if self.bent:
            self.misbehaved()
            raise GatewayRefusal("GONE", "nobody answers: file with operators")


class Dies(Stops):
    """Stops, and shows neither log nor secrets any more."""

    def page(self, seat: int, after: int, limit: int) -> LogPage:
        self._refuse()
        return super().page(seat, after, limit)

    def reveal(self, seat: int, epoch: int, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        self._refuse()
        return super().reveal(seat, epoch, final)


class StopsAndComesBack(Stops):
    """Is gone over a cut, then logs on as if nothing had been."""

    @property
    def bent(self) -> bool:
        time = self.scene.schedule.chain.newest.timestamp
        return 450 <= time - self.scene.schedule.chain.known.created.timestamp < 1000

    def follow(self) -> None:
        if not self.bent:
            self.scene.schedule.attempt(self.main.follow)


class Forks(Honest):
    """Keeps two logs from some place on: people and operators see one or the other."""

    branches = 2
    others: Sequence[Gateway] = ()

    def _fork(self) -> None:
        if self.bent and not self.others:
            self.misbehaved()
            self.others = [self._copy() for _ in range(self.branches - 1)]
            for number, gateway in enumerate(self.others):  # a branch begins with its own entry
                self._mark(gateway, number)

    def _copy(self) -> Gateway:
        store = self.scene.schedule.label_store()
        known = self.main._store
        facts = self.scene.schedule.chain.known
        store.register(
            7, chain_id=facts.chain_id, escrow=facts.escrow, manifest=facts.manifest, now=0
        )
        plain = {one.position: one for one in known.submissions(7)}
        for row in known.rows(7):
            one = plain.get(row.position)
            block = known.opening_block(7, one.opening) if one is not None else None
            store.append(7, [NewEntry(row, one, block)], now=0)
        return self.scene.open(store)

    def _mark(self, gateway: Gateway, number: int) -> None:
        wallet, session = key_of(f"marker {number}"), key_of(f"marker session {number}")
        gateway.delegate(self.scene.schedule.delegation(wallet, session))

    def _branch(self, number: int) -> Gateway:
        self._fork()
        return [self.main, *self.others][number % (1 + len(self.others))]

    def gateway_of(self, person: int) -> Gateway:
        return self._branch(person)

    def gateway_at(self, seat: int) -> Gateway:
        return self._branch(seat)

    def follow(self) -> None:
        for gateway in (self.main, *self.others):
            self.scene.schedule.attempt(gateway.follow)


class ShowsEachAnother(Forks):
    """Shows each operator another log."""

    branches = 4


class ForksUnevenly(Forks):
    """Shows one operator another log than the others."""

    def gateway_at(self, seat: int) -> Gateway:
        return self._branch(1 if seat == 1 else 0)


class SkipsAnchors(Honest):
    """Leaves out every other anchor."""

    fault = "ANCHOR-SKIPPED"

    def follow(self) -> None:
        ledger = self.main._ledger
        step = self.main.manifest.anchor_blocks
        if self.bent and "next_anchor" not in vars(ledger):
            honest = ledger.next_anchor
            ledger.next_anchor = lambda: honest() + step  # type: ignore[method-assign]
            self.misbehaved()
        super().follow()


class LateAnchors(Honest):
    """Takes anchors minutes late."""

    def follow(self) -> None:
        if not self.bent or self.dice.random() < 0.12:
            super().follow()
        elif self.main._ledger.next_anchor() <= self.scene.schedule.chain.newest.number:
            self.misbehaved()


class FalseAnchors(Honest):
    """Logs anchors of another chain before the right ones."""

    def follow(self) -> None:
        newest = self.scene.schedule.chain.newest.number
        step = self.main.manifest.anchor_blocks
        if self.bent and newest % step == 0:
            self.forge(log.encode_entry(log.Anchor(newest, b"\x66" * 32)))
        super().follow()


class Garbage(Honest):
    """Logs bytes that are no entry, and leases to people who never delegated."""

    def follow(self) -> None:
        if self.bent:
            noise = bytes([self.dice.choice([1, 2, 3, 7, 9])])
            noise += self.dice.randbytes(self.dice.choice([0, 5, 60]))
            stranger = log.Lease(self.dice.randbytes(20), 1, 2**40, (1, 2))
            self.forge(self.dice.choice([noise, log.encode_entry(stranger)]))
        super().follow()


class AltersRows(Honest):
    """Serves rows whose heads don't hash, or that somebody else signed."""

    def page(self, seat: int, after: int, limit: int) -> LogPage:
        page = super().page(seat, after, limit)
        if not self.bent or not page.rows or self.dice.random() < 0.5:
            return page
        self.misbehaved()
        at = self.dice.randrange(len(page.rows))
        row = page.rows[at]
        bad = self.dice.choice(
            [
                replace(row, data=row.data + b"\0"),
                replace(row, head=ZERO32),
                replace(row, signature=b"\x1b" * 65),
                replace(row, position=row.position + 1),
                replace(row, signature=sign(key_of("stranger"), row.entry_hash)),
            ]
        )
        return LogPage((*page.rows[:at], bad, *page.rows[at + 1 :]), page.openings)


# -- leases ----------------------------------------------------------------------------------------


class Bends(Honest):
    """Bends a rule of its own ledger."""

    def bend(self) -> None:
        raise NotImplementedError

    def lease(self, person: int, address: bytes, count: int) -> LeaseReply:
        if self.bent:
            self.bend()
        reply = super().lease(person, address, count)
        if self.bent and reply.lease is not None:
            self.misbehaved()
        return reply

    def set(self, name: str, function: Callable[..., Any]) -> None:
        setattr(self.main._ledger, name, function)


class OverLeases(Bends):
    """Leases beyond what cap, bond and budget back."""

    fault = "LEASE-UNBACKED"
    needs_money = "short"

    def bend(self) -> None:
        self.set("backed_items", lambda: 10**6)


class WrongReward(Bends):
    """Leases at half the reward."""

    fault = "LEASE-REWARD"

    def bend(self) -> None:
        ledger = self.main._ledger
        reward = ledger._reward // 2 or 1
        if "reward" not in vars(ledger):
            self.set("reward", lambda: reward)


class LongLeases(Bends):
    """Leases beyond the grace before the cut."""

    fault = "LEASE-EXPIRY"

    def bend(self) -> None:
        ledger = self.main._ledger
        self.set("latest_expiry", lambda: ledger.anchor.timestamp + 500 if ledger.anchor else 0)


class EarlyLeases(Bends):
    """Leases before the second anchor after a delegation."""

    fault = "LEASE-EARLY"

    def __init__(self, scene: GatewayScene) -> None:
        super().__init__(scene)
        scene.since = 0

    @property
    def bent(self) -> bool:
        return True

    def bend(self) -> None:
        self.set("draw_delay", lambda contributor: 0)


class SteersDraws(Bends):
    """Gives the items it likes."""

    fault = "DRAW"

    def bend(self) -> None:
        ledger = self.main._ledger

        def draw(contributor: bytes, ahead: int = 0, taken: Any = ()) -> list[int]:
            chosen = set(taken)
            return [
                item
                for item in range(self.main.manifest.item_count)
                if item not in chosen and ledger.eligible(contributor, item)
            ][:1]

        self.set("draw", draw)
        self.set("_draw_allows", lambda *asked: True)


class AgainAndAgain(Bends):
    """Leases items that have all their labels, and a person's items twice."""

    fault = "LEASE-INELIGIBLE"

    def bend(self) -> None:
        ledger = self.main._ledger
        self.set("_eligible", lambda person: lambda item: (person, item) not in ledger.leases)

    def lease(self, person: int, address: bytes, count: int) -> LeaseReply:
        reply = super().lease(person, address, count)
        if self.bent and reply.lease is not None:
            ledger = self.main._ledger
            again = log.Lease(
                address,
                ledger.reward(),
                ledger.latest_expiry() + 1,
                tuple(one.number for one in reply.items),
            )
            self.forge(log.encode_entry(again))
        return reply


# -- secrets ---------------------------------------------------------------------------------------


class KeepsGoldShut(Honest):
    """Opens the seed, no gold."""

    fault = "GOLD-UNOPENED"

    def reveal(self, seat: int, epoch: int, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        seed, _ = super().reveal(seat, epoch, final)
        self.misbehaved()
        return seed, ()


class KeepsSeedShut(Honest):
    """Opens the gold, not the seed."""

    fault = "SEED-UNOPENED"

    def reveal(self, seat: int, epoch: int, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        _, gold = super().reveal(seat, epoch, final)
        self.misbehaved()
        return ZERO32, gold


class OpensToOne(Honest):
    """Opens seed and gold to one operator alone."""

    def reveal(self, seat: int, epoch: int, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        told = super().reveal(seat, epoch, final)
        if seat != 0:
            self.misbehaved()
            raise GatewayRefusal("SECRET", "it isn't told")
        return told


class OpensGarbage(Honest):
    """Opens another seed, or gold that is altered, incomplete, or twice there."""

    def reveal(self, seat: int, epoch: int, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        seed, gold = super().reveal(seat, epoch, final)
        self.misbehaved()
        way = (seat + epoch) % 4
        if way == 0:
            return b"\x01" * 32, gold
        if way == 1:
            return seed, tuple(replace(row, answer=b'"7"') for row in gold)
        return (seed, gold[1:]) if way == 2 else (seed, (*gold, *gold))


# -- openings and submissions ----------------------------------------------------------------------


class DropsOpenings(Honest):
    """Serves pages without some openings."""

    def page(self, seat: int, after: int, limit: int) -> LogPage:
        page = super().page(seat, after, limit)
        if not self.bent or not page.openings:
            return page
        self.misbehaved()
        return LogPage(page.rows, page.openings[: len(page.openings) // 2])


class GarbageOpenings(Honest):
    """Serves other bytes for openings."""

    def page(self, seat: int, after: int, limit: int) -> LogPage:
        page = super().page(seat, after, limit)
        if not self.bent or not page.openings:
            return page
        self.misbehaved()
        return LogPage(page.rows, tuple(one[::-1] for one in page.openings))


class RefusesSomebody(Honest):
    """Takes no submission of the first two people."""

    def submit(self, person: int, address: bytes, arguments: dict[str, Any]) -> None:
        if self.bent and person < 2:
            self.misbehaved()
            raise GatewayRefusal("NO", "not you")
        super().submit(person, address, arguments)


class Swallows(Honest):
    """Says it took submissions, and logs none."""

    def submit(self, person: int, address: bytes, arguments: dict[str, Any]) -> None:
        if self.bent:
            self.misbehaved()
        else:
            super().submit(person, address, arguments)


class Erases(Honest):
    """Deletes what a contributor submitted at once, as privacy rules let it be asked to."""

    def submit(self, person: int, address: bytes, arguments: dict[str, Any]) -> None:
        super().submit(person, address, arguments)
        if self.bent and self.main.erase(address):
            self.misbehaved()


class Replays(Honest):
    """Logs submissions again."""

    def submit(self, person: int, address: bytes, arguments: dict[str, Any]) -> None:
        super().submit(person, address, arguments)
        if self.bent:
            self.forge(log.encode_entry(arguments["entry"]))


class TurnsItems(Honest):
    """Logs submissions' labels for one another's items, and not as they were signed."""

    def submit(self, person: int, address: bytes, arguments: dict[str, Any]) -> None:
        entry = arguments["entry"]
        assert isinstance(entry, Submission)
        if not self.bent or len(entry.items) < 2:
            super().submit(person, address, arguments)
            return
        self.forge_submission(replace(entry, items=entry.items[::-1]), arguments["opening"])


class LogsLate(Honest):
    """Keeps submissions back, and logs them when their leases have ended."""

    def __init__(self, scene: GatewayScene) -> None:
        super().__init__(scene)
        self.kept: list[tuple[int, Submission, bytes]] = []

    def submit(self, person: int, address: bytes, arguments: dict[str, Any]) -> None:
        if not self.bent:
            super().submit(person, address, arguments)
            return
        entry = arguments["entry"]
        lease = self.main._ledger.leases.get((address, entry.items[0]))
        if lease is not None:
            self.kept.append((lease.expiry, entry, arguments["opening"]))

    def follow(self) -> None:
        super().follow()
        anchor = self.main._ledger.anchor
        for one in list(self.kept):
            expiry, entry, opening = one
            if anchor is not None and anchor.timestamp > expiry:
                self.kept.remove(one)
                self.forge_submission(entry, opening)


def _cut(page: LogPage, last: int) -> LogPage:
    return LogPage(tuple(row for row in page.rows if row.position <= last), page.openings)


BEHAVIOURS: dict[str, type[Honest]] = {
    one.__name__: one
    for one in (
        Honest,
        Hides,
        HidesFromSome,
        HidesForAWhile,
        Stops,
        Dies,
        StopsAndComesBack,
        Forks,
        ShowsEachAnother,
        ForksUnevenly,
        SkipsAnchors,
        LateAnchors,
        FalseAnchors,
        Garbage,
        AltersRows,
        OverLeases,
        WrongReward,
        LongLeases,
        EarlyLeases,
        SteersDraws,
        AgainAndAgain,
        KeepsGoldShut,
        KeepsSeedShut,
        OpensToOne,
        OpensGarbage,
        DropsOpenings,
        GarbageOpenings,
        RefusesSomebody,
        Swallows,
        Replays,
        TurnsItems,
        Erases,
        LogsLate,
    )
}
