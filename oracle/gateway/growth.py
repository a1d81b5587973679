"""What people have become: reputation, what moved it, what their labels changed, and who they are
among others.

Everything is read from finalized receipts and the evidence behind them, which is public: nothing is
told of an item before it is released, and of gold no more than its receipt has opened. How long
somebody took is from the gateway's own clock, and told to themselves alone.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from oracle.errors import (
    ContentCorrupt,
    ContentMissing,
    ContentUnavailable,
    FormatError,
    GatewayBusy,
)
from oracle.evidence import entries as log
from oracle.evidence.entries import decode_entry
from oracle.evidence.manifest import PPM
from oracle.evidence.results import AGREED, FINAL, ContributorResult, Evidence, ItemResults
from oracle.evidence.structs import Receipt
from oracle.gateway.gateway import Gateway, served
from oracle.gateway.market import worked
from oracle.gateway.outcomes import words
from oracle.gateway.receipts import Receipts
from oracle.ports import (
    CampaignPart,
    LabelEffect,
    LabelStore,
    Progress,
    ProgressPoint,
    ReputationChange,
    SkillRecord,
    Standing,
)
from oracle.quality.badges import Deeds, badges, level
from oracle.quality.gold import passed
from oracle.quality.reputation import (
    REQUESTER_LABELS,
    TIERS,
    Tier,
    Totals,
    Track,
    additions,
    reputation,
)

DAY = 86_400
HOUR = 3_600
WEEK = 7 * DAY
PATIENCE_SECONDS, AGAIN_SECONDS = 0.5, 30
CHANGES, POINTS, EFFECTS = 8, 40, 20  # shown, the newest of them
DECIDED, AGAINST, OUTVOTED = "decided", "against", "outvoted"
_UNREADABLE = (ContentMissing, ContentCorrupt, ContentUnavailable, FormatError)


@dataclass(frozen=True)
class _Page:
    """What one finalized receipt says of each account; `seen` is the log position it covers."""

    at: int
    epoch: int
    seen: int
    results: Mapping[bytes, ContributorResult]
    earned: Mapping[bytes, int]
    accepted: Mapping[bytes, int]


@dataclass(frozen=True)
class _Book:
    """A campaign by its finalized receipts, oldest first."""

    number: int
    title: str
    kind: str
    requester: bytes
    chances: int  # a guess is right once in so many times
    chance_ppm: int
    pages: tuple[_Page, ...]
    readable: bool

    def totals(self, account: bytes) -> list[tuple[_Page, Totals]]:
        """What each receipt that knows an account says of it."""
        return [
            (page, Totals(page.at, row.matches, row.judged))
            for page in self.pages
            if (row := page.results.get(account)) is not None
        ]

    def track(self, account: bytes, first: int | None = None) -> Track:
        """An account's track, by its first receipts alone where `first` says how many."""
        totals = tuple(one for _, one in self.totals(account))
        return Track(self.requester, self.chance_ppm, totals[:first])


@dataclass
class _Hours:
    """How long people worked in a campaign: per contributor, log positions and seconds so far."""

    read_to: int = 0
    since: dict[bytes, int] = field(default_factory=dict)
    positions: defaultdict[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))
    seconds: defaultdict[bytes, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0]))

    def until(self, account: bytes, position: int) -> int:
        """Seconds that an account's submissions up to a log position took."""
        place = bisect_right(self.positions.get(account, ()), position)
        return self.seconds[account][place] if place else 0


class Growth:
    """A `GrowthDesk` over the gateways of this process; `requester` names a campaign's. While one
    thread reads receipts, others get GatewayBusy instead of waiting for it."""

    def __init__(
        self,
        gateways: Callable[[], Mapping[int, Gateway]],
        requester: Callable[[int], bytes],
        store: LabelStore,
        receipts: Receipts,
    ) -> None:
        self._gateways, self._requester = gateways, requester
        self._store, self._receipts = store, receipts
        self._lock = threading.Lock()
        self._pages: dict[bytes, _Page] = {}
        self._chances: dict[bytes, int] = {}
        self._hours: defaultdict[int, _Hours] = defaultdict(_Hours)
        self._effects: dict[int, tuple[bytes, Mapping[bytes, list[LabelEffect]]]] = {}
        self._standings: dict[str | None, tuple[object, list[Standing]]] = {}

    @property
    def tiers(self) -> Sequence[Tier]:
        """The tiers there are, the lowest first."""
        return TIERS

    # -- one's own -------------------------------------------------------------------------------

    def progress(self, contributor: bytes) -> Progress:
        """Return somebody's own record."""
        with self._reading():
            books = self._books()
            mine = [book for book in books if book.totals(contributor)]
            effects = [one for book in mine for one in self._effects_of(book, contributor)]
            effects.sort(key=lambda one: (-one.epoch, -one.campaign, -one.item))
            counts = Counter(one.effect for one in effects)
            points = self._points(mine, contributor)
        now = self._today()
        overall = reputation([book.track(contributor) for book in mine], now)
        skills = _skills(mine, contributor, now)
        newest = [book.pages[-1] for book in mine if book.pages]
        accepted = sum(page.accepted.get(contributor, 0) for page in newest)
        reached, following = level(accepted)
        deeds = Deeds(
            accepted=accepted,
            gold_passed=sum(_passed_by_gold(book, contributor) for book in mine),
            requesters=overall.requesters,
            kinds=sum(one.reputation.labels >= REQUESTER_LABELS for one in skills),
            deciding=counts[DECIDED] + counts[AGAINST],
            weeks=len({one.at // WEEK for one in points if one.judged}),
            best_lower_ppm=max(
                (
                    one.reputation.lower_ppm
                    for one in skills
                    if one.reputation.labels >= REQUESTER_LABELS
                ),
                default=0,
            ),
        )
        return Progress(
            overall=overall,
            skills=skills,
            changes=_changes(mine, contributor),
            points=tuple(points[-POINTS:]),
            effects=tuple(effects[:EFFECTS]),
            counts=counts,
            accepted=accepted,
            level=reached,
            next_level=following,
            badges=badges(deeds),
            readable=all(book.readable for book in books),
        )

    def part(self, campaign: int, contributor: bytes) -> CampaignPart:
        """Return somebody's part in a campaign; content errors where its evidence is gone."""
        gateway = served(self._gateways(), campaign)
        receipt, paid = self._receipts.finalized(gateway), False
        if receipt is not None:
            leaves = self._receipts.evidence(receipt).leaves
            paid = any(one.account == contributor and one.cumulative for one in leaves)
        labeled = gateway.status(contributor).submitted > 0
        return CampaignPart(campaign, self._requester(campaign), labeled, paid)

    # -- everybody -------------------------------------------------------------------------------

    def kinds(self) -> Sequence[str]:
        """Return the kinds of task in which somebody has judged labels, sorted."""
        with self._reading():
            return sorted({book.kind for book in self._books() if book.pages})

    def standings(self, kind: str | None) -> Sequence[Standing]:
        """Return everybody's reputation, overall or in one kind of task, by account."""
        with self._reading():
            books = [book for book in self._books() if kind is None or book.kind == kind]
            now = self._today()
            state = now, tuple((book.number, book.pages[-1].epoch) for book in books if book.pages)
            known = self._standings.get(kind)
            if known is None or known[0] != state:
                newest = [book.pages[-1].results for book in books if book.pages]
                found = [
                    Standing(account, reputation([book.track(account) for book in books], now))
                    for account in sorted({account for results in newest for account in results})
                ]
                known = self._standings[kind] = state, found
            return known[1]

    # -- receipts --------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Let one thread at a time read what isn't read yet: after a restart it is all evidence.

        GatewayBusy for who comes meanwhile, so that they don't take up the threads by which others
        are served.
        """
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            raise GatewayBusy(
                "READING",
                "the receipts are being read, as after every start of the server: reload this page "
                "in half a minute",
                AGAIN_SECONDS,
            )
        try:
            yield
        finally:
            self._lock.release()

    def _today(self) -> int:
        """The chain's day, as its first second: reputations age once a day."""
        return self._receipts.now() // DAY * DAY

    def _books(self) -> list[_Book]:
        return [self._book(gateway) for _, gateway in sorted(self._gateways().items())]

    def _book(self, gateway: Gateway) -> _Book:
        """A campaign by receipts that paid operators a fee: what costs nothing proves nothing."""
        pages, chance_ppm, readable = [], 0, True
        finalized = [
            one.receipt
            for one in self._receipts.facts(gateway).settlements
            if one.finalized_block is not None and one.receipt.fee_total
        ]
        for receipt in sorted(finalized, key=lambda one: one.epoch):
            try:
                pages.append(self._page(gateway, receipt))
                chance_ppm = self._chances[receipt.evidence]
            except _UNREADABLE:
                readable = False  # the next one's totals hold this one's
        return _Book(
            gateway.campaign,
            gateway.manifest.document["title"],
            gateway.manifest.task.type,
            self._requester(gateway.campaign),
            gateway.manifest.chances,
            chance_ppm,
            tuple(pages),
            readable,
        )

    def _page(self, gateway: Gateway, receipt: Receipt) -> _Page:
        if receipt.evidence not in self._pages:
            evidence = self._receipts.evidence(receipt)
            self._chances[receipt.evidence] = chance_of(
                evidence, gateway.manifest.chances, measured=gateway.manifest.task.measured
            )
            self._pages[receipt.evidence] = _Page(
                self._receipts.time_of(receipt.as_of),
                receipt.epoch,
                receipt.log_position,
                {one.account: one for one in evidence.contributors},
                {one.account: one.cumulative for one in evidence.leaves},
                {one.account: one.accepted for one in evidence.leaves},
            )
        return self._pages[receipt.evidence]

    # -- over time -------------------------------------------------------------------------------

    def _points(self, books: Sequence[_Book], account: bytes) -> list[ProgressPoint]:
        hours = {book.number: self._hours_of(book.number) for book in books}
        stand: dict[int, tuple[ContributorResult, int, int]] = {}
        points = []
        for page, book, right, wrong in _steps(books, account):
            stand[book.number] = (
                page.results[account],
                page.earned.get(account, 0),
                hours[book.number].until(account, page.seen),
            )
            judged = sum(row.judged for row, _, _ in stand.values())
            agreed = sum(row.agreement * row.judged for row, _, _ in stand.values())
            earned = sum(one for _, one, _ in stand.values())
            seconds = sum(one for _, _, one in stand.values())
            points.append(
                ProgressPoint(
                    page.at,
                    book.number,
                    page.epoch,
                    right,
                    right + wrong,
                    agreed // judged if judged else 0,
                    earned * HOUR // seconds if seconds else None,
                )
            )
        return points

    def _hours_of(self, campaign: int) -> _Hours:
        hours, kinds = self._hours[campaign], (log.Lease.KIND, log.Submission.KIND)
        timed = self._store.timed_entries(campaign, kinds, hours.read_to)
        for one in worked(timed, hours.since):
            hours.positions[one.contributor].append(one.position)
            so_far = hours.seconds[one.contributor]
            so_far.append(so_far[-1] + one.seconds)
        if timed:
            hours.read_to = timed[-1].position
        return hours

    # -- what labels changed ---------------------------------------------------------------------

    def _effects_of(self, book: _Book, account: bytes) -> Sequence[LabelEffect]:
        gateway = self._gateways()[book.number]
        receipt = self._receipts.finalized(gateway)
        if receipt is None or gateway.manifest.task.measured:
            return ()
        known = self._effects.get(book.number)
        if known is None or known[0] != receipt.evidence:
            try:
                evidence = self._receipts.evidence(receipt)
            except _UNREADABLE:
                return ()
            found = self._all_effects(gateway, evidence, receipt.log_position)
            known = self._effects[book.number] = receipt.evidence, found
        return known[1].get(account, ())

    def _all_effects(
        self, gateway: Gateway, evidence: Evidence, position: int
    ) -> Mapping[bytes, list[LabelEffect]]:
        """What each label on a released item changed, by contributor. Where labels are missing here
        (erased, or filed with operators), nothing is said of the item."""
        manifest = gateway.manifest
        released = {
            row.item: row for row in evidence.items if row.status in (AGREED, FINAL)
        }  # gold and experts decide by themselves
        answers = {
            one.position: one.answers
            for one in self._store.submissions(gateway.campaign)
            if one.answers is not None and one.position <= position
        }
        given: defaultdict[int, dict[bytes, int]] = defaultdict(dict)
        for timed in self._store.timed_entries(gateway.campaign, (log.Submission.KIND,)):
            if timed.position not in answers:
                continue
            entry = decode_entry(timed.entry)
            assert isinstance(entry, log.Submission)
            for item, answer in zip(entry.items, answers[timed.position], strict=True):
                if item in released:
                    given[item].setdefault(entry.contributor, manifest.class_numbers[answer])
        effects: defaultdict[bytes, list[LabelEffect]] = defaultdict(list)
        for item, labels in given.items():
            row = released[item]
            if len(labels) != row.labels:
                continue
            counts = Counter(labels.values())
            for account, own in labels.items():
                effect = effect_of(own, row.answer, counts)
                if effect is not None:
                    effects[account].append(
                        LabelEffect(
                            gateway.campaign,
                            manifest.document["title"],
                            row.epoch,
                            item,
                            words(manifest.classes[own]),
                            words(manifest.classes[row.answer]),
                            row.labels,
                            effect,
                        )
                    )
        return effects


def effect_of(own: int, found: int, counts: Mapping[int, int]) -> str | None:
    """Return what a label of class `own` changed where `found` is the answer, by plain count of the
    item's labels (`counts` by class, the own one among them); None where it changed nothing.

    A vote that swings the outcome is pivotal (Penrose 1946, DOI 10.2307/2981392).
    """
    if own != found:
        return OUTVOTED
    rival = max((count for number, count in counts.items() if number != found), default=0)
    others = counts[found] - 1
    if not others and not rival:
        return None  # alone on its item
    return AGAINST if others < rival else DECIDED if others == rival else None


def chance_of(evidence: Evidence, chances: int, *, measured: bool) -> int:
    """Return how often blind answers are right in a campaign, ppm, rounded up: one in `chances`,
    or those that always name its commonest answer, where answers have names."""
    least = -(-PPM // chances)
    rows = ItemResults.of(evidence.items)
    answers = rows.answers[rows.labels > 0].tolist()
    if measured or not answers:
        return least
    return max(least, -(-max(Counter(answers).values()) * PPM // len(answers)))


def _steps(books: Sequence[_Book], account: bytes) -> list[tuple[_Page, _Book, int, int]]:
    """Every receipt that judges an account, oldest first, with the right and wrong labels it
    added."""
    found = []
    for book in books:
        totals = book.totals(account)
        added = additions([one for _, one in totals])
        for (page, _), (_, right, wrong) in zip(totals, added, strict=True):
            found.append((page, book, right, wrong))
    return sorted(found, key=lambda one: (one[0].at, one[1].number, one[0].epoch))


def _changes(books: Sequence[_Book], account: bytes) -> tuple[ReputationChange, ...]:
    """What moved the lower bound, the newest first: its value after each receipt, as of then."""
    steps = _steps(books, account)
    read = dict.fromkeys((book.number for book in books), 0)
    lower = reputation([], 0).lower_ppm
    found = []
    for place, (page, book, right, wrong) in enumerate(steps):
        read[book.number] += 1
        if place < len(steps) - CHANGES - 1:
            continue
        tracks = [book.track(account, read[book.number]) for book in books]
        before, lower = lower, reputation(tracks, page.at).lower_ppm
        found.append(
            ReputationChange(
                page.at, book.number, book.title, page.epoch, right, wrong, before, lower
            )
        )
    return tuple(reversed(found[-CHANGES:]))


def _skills(books: Sequence[_Book], account: bytes, now: int) -> tuple[SkillRecord, ...]:
    by_kind: defaultdict[str, list[Track]] = defaultdict(list)
    for book in books:
        by_kind[book.kind].append(book.track(account))
    return tuple(SkillRecord(kind, reputation(by_kind[kind], now)) for kind in sorted(by_kind))


def _passed_by_gold(book: _Book, account: bytes) -> bool:
    row = book.pages[-1].results.get(account)
    return row is not None and passed(row.gold_right, row.gold_total, book.chances)
