"""Content in several places at once: a folder and Kubo daemons, say."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeVar

from oracle.breaker import CircuitBreaker
from oracle.errors import ContentCorrupt, ContentMissing, ContentUnavailable, InputError
from oracle.evidence.codec import RAW, Block, Link
from oracle.evidence.hashing import ZERO32
from oracle.ports import ContentStore

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
Failure = ContentMissing | ContentCorrupt | ContentUnavailable
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds for which a store that fails isn't asked


class ReplicatedContent:
    """A `ContentStore` over `stores`, asked in their order: the nearest comes first.

    A block counts as stored once `copies` of them hold it. So with fewer than `copies` stores out
    of reach the others hold every block together, and what they lack is missing; with more, that
    is unknown. A store that fails is left alone for a while, longer each time, and `repair`ed once
    it answers again. One that serves other bytes is passed over and named in the log.

    Errors: ContentMissing where no store has a block, ContentCorrupt where those that have it serve
    other bytes, ContentUnavailable where too many stores are out of reach to say, or to store it.
    InputError unless 1 ≤ `copies` ≤ number of stores.
    """

    def __init__(self, stores: Sequence[ContentStore], copies: int = 1) -> None:
        if not 1 <= copies <= len(stores):
            raise InputError(
                f"{copies} copies can't be kept in {len(stores)} content stores: ask for 1 to "
                f"{len(stores)}, or name more of them"
            )
        self.stores = tuple(stores)
        self.copies = copies
        self._breakers = [
            CircuitBreaker(failures=1, first_pause=FIRST_PAUSE, longest_pause=LONGEST_PAUSE)
            for _ in stores
        ]
        self._failures = [""] * len(stores)
        self._lock = threading.Lock()  # breakers have none
        # What a store missed while this process was down nobody has counted.
        self._behind = [True] * len(stores)

    def put(self, data: bytes, codec: int) -> bytes:
        """Store a block everywhere and return its SHA-256.

        ContentUnavailable where fewer than `copies` stores take it; what they hold by then stays.
        """
        link = Block(codec, data).link
        failures: list[Failure] = []
        for number in range(len(self.stores)):
            try:
                self._give(number, data, codec)
            except (ContentCorrupt, ContentUnavailable) as error:
                failures.append(error)
        held = len(self.stores) - len(failures)
        if held < self.copies:
            raise ContentUnavailable(
                f"block {link} has {held} of {self.copies} copies: {_joined(failures)}"
            )
        return link.digest

    def get(self, digest: bytes, codec: int) -> bytes:
        """Return the verified bytes of a block, from the first store that has it.

        Stores before that one, which lack it or serve other bytes, get it back.
        """
        link = Link(codec, digest)
        failures: dict[int, Failure] = {}
        for number in range(len(self.stores)):
            try:
                data = self._ask(number, lambda store: store.get(digest, codec))
            except (ContentMissing, ContentCorrupt, ContentUnavailable) as error:
                if isinstance(error, ContentCorrupt):
                    log.warning("passed over: %s", error)
                failures[number] = error
                continue
            self._give_back(data, codec, failures)
            return data
        raise self._verdict(link, list(failures.values()))

    def has(self, digest: bytes, codec: int) -> bool:
        """Say whether any store that answers holds the block; ContentUnavailable where none does.

        So "no" means that it should be put, not that it is lost: that is what `get` says.
        """
        failures: list[Failure] = []
        for number in range(len(self.stores)):
            try:
                if self._ask(number, lambda store: store.has(digest, codec)):
                    return True
            except ContentUnavailable as error:
                failures.append(error)
        if len(failures) == len(self.stores):
            raise self._verdict(Link(codec, digest), failures)
        return False

    def iterate(self) -> Iterator[Link]:
        """Yield the CID of every block that any store holds, sorted; ContentUnavailable where too
        few answer."""
        listed, failures = self._list()
        if len(failures) >= self.copies:
            raise ContentUnavailable(f"not all blocks can be listed: {_joined(failures)}")
        yield from (link for link, _ in groupby(heapq.merge(*listed.values(), key=str)))

    def failing(self) -> list[str]:
        """Return the errors of the stores that can't be used now."""
        failures = []
        for number in range(len(self.stores)):
            try:
                self._ask(number, lambda store: store.has(ZERO32, RAW))
            except ContentUnavailable as error:
                failures.append(str(error))
        return failures

    @property
    def is_behind(self) -> bool:
        """Say whether a store may lack what another has."""
        return any(self._behind)

    def repair(self) -> int:
        """Give each store that missed something what another has; return how many blocks that was.

        Costs nothing where nothing was missed. A store that fails meanwhile stays behind; a block
        that no store serves whole is named in the log and left to `get`'s errors.
        """
        if not self.is_behind:
            return 0
        listed, _ = self._list()
        everything = sorted(set().union(*listed.values()), key=str)
        return sum(
            self._catch_up(number, everything, frozenset(held))
            for number, held in listed.items()
            if self._behind[number]
        )

    def _list(self) -> tuple[dict[int, list[Link]], list[Failure]]:
        """Return what each store that answers holds, by its number, and the others' errors."""
        listed: dict[int, list[Link]] = {}
        failures: list[Failure] = []
        for number in range(len(self.stores)):
            try:
                listed[number] = self._ask(number, lambda store: list(store.iterate()))
            except ContentUnavailable as error:
                failures.append(error)
        return listed, failures

    def _catch_up(self, number: int, everything: Sequence[Link], held: frozenset[Link]) -> int:
        given = 0
        self._behind[number] = False  # before: what fails from here on sets it again
        for link in everything:
            if link in held:
                continue
            try:
                data = self._from_others(number, link)
            except (ContentMissing, ContentCorrupt, ContentUnavailable) as error:
                log.warning("not repaired: %s", error)
                continue
            try:
                self._give(number, data, link.codec)
            except (ContentCorrupt, ContentUnavailable) as error:
                log.info("still behind: %s", error)
                break
            given += 1
        if given:
            log.info("%s was given %d blocks that it lacked", self.stores[number], given)
        return given

    def _from_others(self, number: int, link: Link) -> bytes:
        failures: list[Failure] = []
        for other in range(len(self.stores)):
            if other == number:
                continue
            try:
                return self._ask(other, lambda store: store.get(link.digest, link.codec))
            except (ContentMissing, ContentCorrupt, ContentUnavailable) as error:
                failures.append(error)
        raise self._verdict(link, failures)

    def _give_back(self, data: bytes, codec: int, failures: Mapping[int, Failure]) -> None:
        for number, failure in failures.items():
            if isinstance(failure, ContentUnavailable):
                continue
            try:
                self._give(number, data, codec)
            except (ContentCorrupt, ContentUnavailable) as error:
                log.warning("not given back: %s", error)

    def _give(self, number: int, data: bytes, codec: int) -> None:
        try:
            self._ask(number, lambda store: store.put(data, codec))
        except (ContentCorrupt, ContentUnavailable):
            self._behind[number] = True
            raise

    def _ask(self, number: int, request: Callable[[ContentStore], Answer]) -> Answer:
        """Ask one store; ContentUnavailable without asking while its breaker is open."""
        store, breaker = self.stores[number], self._breakers[number]
        with self._lock:
            pause = breaker.remaining
        if pause:
            raise ContentUnavailable(
                f"{store} failed, and is asked again in {pause:.0f} s: {self._failures[number]}"
            )
        try:
            answer = request(store)
        except ContentUnavailable as error:
            with self._lock:
                breaker.failed()
                self._failures[number] = str(error)
            raise
        except (ContentMissing, ContentCorrupt):
            with self._lock:
                breaker.succeeded()
            raise
        with self._lock:
            breaker.succeeded()
        return answer

    def _verdict(self, link: Link, failures: Sequence[Failure]) -> Failure:
        unknown = [one for one in failures if isinstance(one, ContentUnavailable)]
        if len(unknown) >= self.copies:
            return ContentUnavailable(f"block {link} can't be looked for: {_joined(unknown)}")
        corrupt = [one for one in failures if isinstance(one, ContentCorrupt)]
        if corrupt:
            return ContentCorrupt(_joined(corrupt))
        return ContentMissing(_joined(failures))


def _joined(errors: Sequence[Exception]) -> str:
    return "; ".join(str(error) for error in errors)


def scrub(stores: Sequence[ContentStore], *, repair: bool = False) -> Iterator[str]:
    """Read every block that any of `stores` holds in each of them; yield a line for each that one
    lacks, or holds damaged.

    With `repair` it is put there again where another store has it. ContentUnavailable where a store
    can't be used at all.
    """
    listed = heapq.merge(*(store.iterate() for store in stores), key=str)
    for link, _ in groupby(listed):
        whole: bytes | None = None
        broken: list[tuple[ContentStore, str]] = []
        for store in stores:
            try:
                if not store.has(link.digest, link.codec):  # `get` could search a network for it
                    raise ContentMissing(f"block {link} isn't in {store}")
                whole = store.get(link.digest, link.codec)
            except (ContentMissing, ContentCorrupt) as error:
                broken.append((store, str(error)))
        for store, problem in broken:
            if repair and whole is not None:
                store.put(whole, link.codec)
                yield f"repaired: {problem}"
            else:
                yield problem
