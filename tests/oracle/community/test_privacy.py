from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from sqlalchemy import Engine, select

from oracle.community.community import Community
from oracle.community.privacy import notices
from oracle.community.ratings import ASPECTS
from oracle.content.local import LocalContent
from oracle.errors import InputError
from oracle.evidence import entries
from oracle.evidence.codec import RAW, Block
from oracle.evidence.hashing import ZERO32, sha256
from oracle.ports import CampaignPart, NewEntry, StoredSubmission
from oracle.store.labels import SqlLabelStore
from oracle.store.people import PERSONAL
from oracle.store.schema import metadata
from tests.oracle.community.conftest import ANOTHER, EXPERT, SOMEBODY, Clock
from tests.support.courses import course


def live(community: Community, contributor: bytes) -> None:
    """Leave something in every table."""
    community.sessions.begin(contributor, "Firefox/1", "192.0.2.1")
    community.privacy.agree(contributor)
    community.privacy.declare(contributor, "pt-BR", "BR")
    community.learning.finish_step(contributor, "welcome")
    community.learning.train(1, contributor, "bar", 1)
    community.learning.begin_exam(1, contributor)
    community.inbox.ask(1, contributor, "What about a crossed zero?")
    community.board.hide(contributor)
    part = CampaignPart(1, b"\x9e" * 20, labeled=True, paid=True)
    community.ratings.rate(part, contributor, dict.fromkeys(ASPECTS, 4), "Clear from the start.")
    text = f"Say what a zero is: {contributor[0]}."
    community.proposals.propose(part, contributor, "", "", text, "It is unclear.")
    support = CampaignPart(2, b"\x9e" * 20, labeled=True, paid=True)
    community.proposals.support(support, contributor, _proposal(community), wanted=True)


def _proposal(community: Community) -> int:
    """A proposal of somebody who stays."""
    part = CampaignPart(2, b"\x9e" * 20, labeled=True, paid=True)
    if not community.proposals.read(2, None):
        community.proposals.propose(part, bytes(20), "", "", "Say what a one is.", "It is unclear.")
    return community.proposals.read(2, None)[0].number


def test_agree__twice__keeps_the_first_time(community: Community, clock: Clock) -> None:
    first = int(clock.seconds)
    community.privacy.agree(SOMEBODY)
    clock.seconds += 60
    community.privacy.agree(SOMEBODY)
    community.privacy.agree_to_terms(SOMEBODY, 3, b"\x03" * 32)
    notice = notices()[0]
    assert community.privacy.agreements(SOMEBODY) == [
        ("terms of campaign 3", b"\x03" * 32, first + 60),
        (f"privacy notice, version {notice.version}", notice.digest, first),
    ]
    assert community.privacy.agreements(ANOTHER) == []


def test_notices__digest__is_of_the_text_shown() -> None:
    assert [notice.version for notice in notices()] == list(range(len(notices()), 0, -1))
    assert all(notice.digest == sha256(notice.text.encode()) for notice in notices())


@pytest.mark.parametrize(
    ("language", "region", "told"),
    [("english", "", "language"), ("en", "Germany", "region"), ("<b>", "", "language")],
)
def test_declare__malformed__is_refused_and_changes_nothing(
    community: Community, language: str, region: str, told: str
) -> None:
    community.privacy.declare(SOMEBODY, "zh-Hans", "SG")
    with pytest.raises(InputError, match=f"the {told} isn't known"):
        community.privacy.declare(SOMEBODY, language, region)
    assert community.privacy.profile(SOMEBODY) == ("zh-Hans", "SG")
    community.privacy.declare(SOMEBODY, "", "")
    assert community.privacy.profile(SOMEBODY) == ("", "")


def test_export__everything__is_json_and_of_one_person(community: Community) -> None:
    community.learning.publish(1, course())
    live(community, SOMEBODY)
    live(community, ANOTHER)
    found = json.loads(json.dumps(community.privacy.export(SOMEBODY)))
    assert found["contributor"] == "0x" + SOMEBODY.hex()
    assert {table.name for table in PERSONAL} <= found.keys()
    assert all(len(found[table.name]) == 1 for table in PERSONAL)
    assert found["profiles"][0]["language"] == "pt-BR"
    assert ANOTHER.hex() not in json.dumps(found)


def test_delete__everything__leaves_others_and_answers_given_to_them(
    community: Community, engine: Engine
) -> None:
    community.learning.publish(1, course())
    for person in (SOMEBODY, ANOTHER, EXPERT):
        live(community, person)
    number = community.inbox.read(1, ANOTHER)[0].number
    community.inbox.answer(1, EXPERT, number, "It is a zero all the same.")
    before = community.privacy.export(ANOTHER)

    assert community.privacy.delete(EXPERT) == len(PERSONAL)
    assert community.privacy.delete(SOMEBODY) == len(PERSONAL)
    assert community.privacy.delete(SOMEBODY) == 0
    after = community.privacy.export(ANOTHER)
    before["inbox_questions"][0]["answered_by"] = None
    assert after == before
    assert community.inbox.read(1, ANOTHER)[0].answer == "It is a zero all the same."
    with engine.connect() as connection:
        for table in PERSONAL:
            left = set(connection.scalars(select(table.c.contributor)))
            assert left - {bytes(20)} == {ANOTHER}


def logged(store: SqlLabelStore, people: Sequence[bytes], now: int) -> list[bytes]:
    """Let people label in campaign 7, each 100 s after the one before; return who wrote what."""
    store.register(7, chain_id=1, escrow=b"\x05" * 20, manifest=b"\x06" * 32, now=now)
    head, writers = ZERO32, []
    for place, who in enumerate(people):
        done = entries.Submission(who, 1, ZERO32, ZERO32, 0, (ZERO32,), (5,), entries.NO_SIGNATURE)
        made = (
            entries.Delegation(0, who, who[:1] * 20, 1, now + 900, b"\x07" * 32, b"\x01" * 65),
            entries.Lease(who, 1, 99, (5,)),
            entries.Skip(who, 5, 1),
            done,
            entries.Anchor(place, who[:1] * 32),
        )
        raw = [(entries.encode_entry(one), b"\x02" * 65) for one in made]
        rows = list(entries.chain_rows(raw, first=len(writers) + 1, before=head))
        head, position = rows[-1].head, rows[3].position
        kept = StoredSubmission(
            position, who, who[:1] * 20, 1, who[:1] * 32, ZERO32, (b'"3"',), ZERO32
        )
        store.append(
            7,
            [NewEntry(one, kept if one.position == position else None) for one in rows],
            now=now + 100 * place,
        )
        writers += [who] * 4 + [b""]
    return writers


def test_times_and_answers__of_a_person__are_exported_and_times_deleted(
    community: Community, engine: Engine, clock: Clock
) -> None:
    store, now = SqlLabelStore(engine), int(clock.seconds)
    writers = logged(store, (SOMEBODY, ANOTHER), now)
    before, others = store.rows(7), community.privacy.export(ANOTHER)
    found = json.loads(json.dumps(community.privacy.export(SOMEBODY)))
    assert [(one["position"], one["written_at"]) for one in found["log_times"]] == [
        (position, now) for position in (1, 2, 3, 4)
    ]
    assert [(one["position"], one["answers"]) for one in found["answers"]] == [(4, '["\\"3\\""]')]

    community.privacy.delete(SOMEBODY)
    assert community.privacy.export(SOMEBODY)["log_times"] == []
    assert store.rows(7) == before  # the log itself is everybody's
    assert community.privacy.export(ANOTHER) | {"exportedAt": 0} == others | {"exportedAt": 0}
    times = [one.written_at for one in store.timed_entries(7, range(1, 8))]
    expected = {SOMEBODY: 0, ANOTHER: now + 100}
    assert times == [
        expected.get(who, now + 100 * (place // 5)) for place, who in enumerate(writers)
    ]


def test_personal__tables_of_people__are_all_listed() -> None:
    # The gateway's own tables are of the public log, or open and erase answers by its rules.
    gateways = {"submissions", "delegations"}
    named = {name for name, table in metadata.tables.items() if "contributor" in table.columns}
    assert named - gateways == {table.name for table in PERSONAL}


def test_picture__of_content__is_shown_only_if_it_is_one(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = LocalContent(tmp_path_factory.mktemp("content"))
    community = Community(engine, content)
    png, svg = (
        Block(RAW, data) for data in (b"\x89PNG\r\n\x1a\n rest", b"<svg onload='alert(1)'/>")
    )
    for block in (png, svg):
        content.put(block.data, block.codec)
    assert community.picture(str(png.link)).type == "image/png"
    with pytest.raises(InputError, match="no picture that a page shows"):
        community.picture(str(svg.link))
    for name in ("../../etc/passwd", "bafkreiaaaa", ""):
        with pytest.raises(InputError, match="no picture of this name"):
            community.picture(name)
