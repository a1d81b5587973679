"""Proposals for a campaign's guidelines: contributors propose and support, its experts accept,
which makes a new version, or decline, with an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oracle.community.course import Course
from oracle.community.learning import Learning, differences
from oracle.community.texts import checked
from oracle.errors import GatewayRefusal, InputError, StoreConflict
from oracle.evidence.codec import parse_json
from oracle.ports import CampaignPart
from oracle.store.opinions import OpinionStore, ProposalRow
from oracle.store.people import PeopleStore

DAY = 86_400
PER_DAY = 3
SHOWN = 50
PASSAGE, TEXT, REASON = 2_000, 4_000, 400  # characters at most
_STATES = ("open", "accepted", "declined")


@dataclass(frozen=True)
class Proposal:
    """A proposal without who made it. `changes` are lines as (kind, line); `supports` counts
    others, `mine` and `supported` are about the reader; `version` is the one it led to."""

    number: int
    reason: str
    changes: tuple[tuple[str, str], ...]
    proposed_at: int
    state: str
    answer: str | None
    version: int | None
    supports: int
    mine: bool
    supported: bool


class Proposals:
    """Takes proposals and what becomes of them; `now` gives Unix seconds."""

    def __init__(
        self,
        store: OpinionStore,
        people: PeopleStore,
        learning: Learning,
        now: Callable[[], float],
    ) -> None:
        self._store, self._people, self._learning, self._now = store, people, learning, now

    def read(self, campaign: int, reader: bytes | None) -> list[Proposal]:
        """Return the newest proposals: open ones first, the most supported before others."""
        found = [
            Proposal(
                row.number,
                row.reason,
                tuple(differences(row.passage, row.text)),
                row.proposed_at,
                row.state,
                row.answer,
                row.version,
                len(supporters),
                row.contributor == reader,
                reader in supporters,
            )
            for row, supporters in self._store.proposals(campaign, SHOWN)
        ]
        return sorted(found, key=lambda one: (_STATES.index(one.state), -one.supports))

    def propose(
        self, part: CampaignPart, contributor: bytes, guidelines: str, passage: str, text: str,
        reason: str,
    ) -> None:  # fmt: skip
        """Take a proposal: `passage` of the newest `guidelines` becomes `text`, or `text` is added
        where it is empty.

        GatewayRefusal for who never labeled there, proposes too often or what is proposed already;
        InputError for texts that can't be, or a passage that isn't there exactly once.
        """
        _check_labeled(part)
        passage, text = checked(passage, 0, PASSAGE), checked(text, 1, TEXT)
        reason = checked(reason, 10, REASON)
        _changed(guidelines, passage, text)
        now = int(self._now())
        if self._store.proposed_since(contributor, now - DAY) >= PER_DAY:
            raise GatewayRefusal(
                "too_many", f"you proposed {PER_DAY} changes within a day: wait a little"
            )
        if any(
            (row.state, row.passage, row.text) == ("open", passage, text)
            for row, _ in self._store.proposals(part.campaign, SHOWN)
        ):
            raise GatewayRefusal("known", "this change is proposed already: support it below")
        self._store.propose(part.campaign, contributor, passage, text, reason, now=now)

    def support(self, part: CampaignPart, contributor: bytes, number: int, *, wanted: bool) -> None:
        """Support an open proposal of somebody else's, or take that back; the same again changes
        nothing. GatewayRefusal where it can't be."""
        _check_labeled(part)
        row = self._open(part.campaign, number)
        if row.contributor == contributor:
            raise GatewayRefusal("own", "this is your own proposal: others support it")
        if wanted:
            self._store.support(number, contributor, now=int(self._now()))
        else:
            self._store.unsupport(number, contributor)

    def decline(self, campaign: int, expert: bytes, number: int, answer: str) -> None:
        """Decline an open proposal; GatewayRefusal from anybody but an expert of the campaign."""
        self._learning.check_expert(campaign, expert)
        row = self._open(campaign, number)
        if not self._store.decline(
            row.number, expert, checked(answer, 10, REASON), now=int(self._now())
        ):
            raise _answered()

    def accept(self, campaign: int, expert: bytes, number: int, answer: str, original: str) -> int:
        """Accept an open proposal and publish the guidelines with its change as the next version,
        which is returned; `original` are the manifest's.

        GatewayRefusal from anybody but an expert; InputError where the passage is no longer there
        exactly once. Either way nothing changes.
        """
        self._learning.check_expert(campaign, expert)
        row, answer = self._open(campaign, number), checked(answer, 10, REASON)
        version, document, _ = self._people.courses(campaign)[-1]  # it names the expert
        guidelines = self._learning.editions(campaign, original)[0].text
        changed = Course.of(
            {
                **parse_json(document),
                "guidelines": _changed(guidelines, row.passage, row.text),
                "note": f"Proposed by a contributor: {row.reason}",
            }
        )
        now = int(self._now())
        try:
            taken = self._store.accept(row, expert, answer, version + 1, changed.document, now=now)
        except StoreConflict:
            raise GatewayRefusal(
                "changed", "the guidelines have just changed: reload the page and look again"
            ) from None
        if not taken:
            raise _answered()
        return version + 1

    def _open(self, campaign: int, number: int) -> ProposalRow:
        row = self._store.proposal(campaign, number)
        if row is None:
            raise InputError("this proposal was taken back: reload the page")
        if row.state != "open":
            raise _answered()
        return row


def _changed(guidelines: str, passage: str, text: str) -> str:
    if not passage:
        return f"{guidelines.rstrip()}\n\n{text}\n"
    if guidelines.count(passage) != 1:
        raise InputError(
            "this passage isn't in the newest guidelines exactly once: copy it from there, with "
            "enough around it"
        )
    return guidelines.replace(passage, text)


def _check_labeled(part: CampaignPart) -> None:
    if not part.labeled:
        raise GatewayRefusal(
            "no_labels", "those who have labeled in the campaign propose and support: label first"
        )


def _answered() -> GatewayRefusal:
    return GatewayRefusal("answered", "this proposal was answered already: reload the page")
