from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from oracle.community.community import Community
from oracle.community.course import Course, read_course
from oracle.community.learning import COMMON_PEOPLE, TUTORIAL, differences
from oracle.content.local import LocalContent
from oracle.errors import ContentMissing, GatewayRefusal, InputError
from oracle.evidence.codec import RAW, Block, Link
from oracle.replay.digit_course import TAUGHT, digit_course
from oracle.replay.digits import digits
from tests.oracle.community.conftest import ANOTHER, SOMEBODY, Clock
from tests.support.courses import course, course_document, question


def sit(community: Community, right: bool) -> bool:
    """Begin an exam and hand it in, all right or all wrong; return whether it was passed."""
    asked = community.learning.begin_exam(1, SOMEBODY)
    choices = [one.answer if right else (one.answer + 1) % 3 for one in asked]
    return bool(community.learning.hand_in(1, SOMEBODY, choices).passed)


def test_tutorial__steps__are_kept_in_order(community: Community) -> None:
    learning = community.learning
    for step in ("money", "welcome", "money"):
        learning.finish_step(SOMEBODY, step)
    assert learning.steps(SOMEBODY) == ["welcome", "money"]
    assert learning.steps(ANOTHER) == []
    with pytest.raises(InputError, match="no such step"):
        learning.finish_step(SOMEBODY, "secret")
    assert set(learning.steps(SOMEBODY)) < set(TUTORIAL)


def test_editions__courses_published__are_versions_of_the_guidelines(
    community: Community, clock: Clock
) -> None:
    learning = community.learning
    assert [one.version for one in learning.editions(1, "Look.")] == [1]
    assert learning.publish(1, course()) == 2
    assert learning.publish(1, course()) == 2
    more = [question("bar"), question("extra")]
    assert learning.publish(1, course(training=more)) == 3
    assert learning.publish(1, course(guidelines="Look twice.", note="Twice.")) == 4
    assert learning.publish(2, course()) == 2
    found = learning.editions(1, "Look.")
    assert [(one.version, one.note) for one in found] == [
        (4, "Twice."),
        (2, "Says more about ones."),
        (1, "As the campaign began."),
    ]
    assert found[0].published_at == int(clock.seconds)


def test_differences__two_versions__name_what_went_and_came() -> None:
    assert differences("a\nb\nc", "a\nB\nc\nd") == [
        ("same", "a"),
        ("removed", "b"),
        ("added", "B"),
        ("same", "c"),
        ("added", "d"),
    ]


@pytest.mark.parametrize("lines", [0, 1, 30, 60_000])
def test_differences__any_length__holds_both_versions_and_never_takes_long(lines: int) -> None:
    """Sixty thousand short lines each way would take hours, line by line."""
    same, dice = "begin\n" * 5, random.Random(lines)
    old, new = (same + "".join(dice.choices(["a\n", "b\n"], k=lines)) + "end" for _ in range(2))
    found = differences(old, new)
    assert [line for kind, line in found if kind != "added"] == old.splitlines()
    assert [line for kind, line in found if kind != "removed"] == new.splitlines()
    assert found[:5] == [("same", "begin")] * 5
    assert found[-1] == ("same", "end")


def test_train__wrong_then_right__comes_back_after_the_others(community: Community) -> None:
    learning = community.learning
    assert learning.next_question(1, SOMEBODY) is None
    learning.publish(1, course())
    asked = []
    for choice in (1, 1, 2, 0):  # wrong, right, right, right
        following = learning.next_question(1, SOMEBODY)
        assert following is not None
        asked.append(following.id)
        learning.train(1, SOMEBODY, following.id, choice)
    assert asked == ["bar", "foot", "hook", "bar"]
    assert learning.next_question(1, SOMEBODY) is None
    assert learning.progress(1, SOMEBODY) == (3, 3)
    assert learning.progress(1, ANOTHER) == (0, 3)


@pytest.mark.parametrize(("name", "choice"), [("bar", 3), ("bar", -1), ("exam-1", 0), ("no", 0)])
def test_train__no_training_question__is_refused_and_kept_nowhere(
    community: Community, name: str, choice: int
) -> None:
    community.learning.publish(1, course())
    with pytest.raises(InputError):
        community.learning.train(1, SOMEBODY, name, choice)
    assert community.learning.progress(1, SOMEBODY) == (0, 3)
    assert community.privacy.export(SOMEBODY)["training_answers"] == []


def test_train__without_end__is_refused_and_kept_no_more(
    community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.community.learning.MOST_ANSWERS", 3)
    community.learning.publish(1, course())
    for _ in range(3):
        community.learning.train(1, SOMEBODY, "bar", 1)
    with pytest.raises(GatewayRefusal, match="more than enough"):
        community.learning.train(1, SOMEBODY, "bar", 0)
    assert len(community.privacy.export(SOMEBODY)["training_answers"]) == 3
    assert community.learning.train(1, ANOTHER, "bar", 0).correct


def test_refresher__own_errors__choose_the_questions_and_fade(community: Community) -> None:
    learning = community.learning
    learning.publish(1, course())
    learning.train(1, SOMEBODY, "bar", 0)
    assert learning.refresher(1, SOMEBODY) == []
    learning.train(1, SOMEBODY, "hook", 0)
    learning.train(1, SOMEBODY, "hook", 0)
    assert [one.id for one in learning.refresher(1, SOMEBODY)] == ["hook", "foot"]
    assert learning.refresher(1, ANOTHER) == []
    for _ in range(3):
        learning.train(1, SOMEBODY, "hook", 2)
    assert learning.refresher(1, SOMEBODY) == []


def test_common_errors__few_people__are_not_shown(community: Community) -> None:
    learning = community.learning
    learning.publish(1, course())
    for person in range(COMMON_PEOPLE):
        assert learning.common_errors(1) == []
        learning.train(1, bytes([person]) * 20, "bar", 1 if person else 2)
        learning.train(1, bytes([person]) * 20, "foot", 1)
    found = learning.common_errors(1)
    assert [(one.question.id, one.people, one.share) for one in found] == [("bar", 5, 1_000_000)]
    assert found[0].mistaken == "not it"


def test_exam__passed__qualifies_for_good(community: Community) -> None:
    learning = community.learning
    learning.check_qualified(1, SOMEBODY)  # without an exam everybody may
    learning.publish(1, course())
    with pytest.raises(GatewayRefusal, match="pass it first"):
        learning.check_qualified(1, SOMEBODY)
    assert sit(community, right=True)
    learning.check_qualified(1, SOMEBODY)
    with pytest.raises(GatewayRefusal, match="pass it first"):
        learning.check_qualified(1, ANOTHER)
    with pytest.raises(GatewayRefusal, match="passed this exam already"):
        learning.begin_exam(1, SOMEBODY)
    learning.publish(1, course(guidelines="Newer."))
    learning.check_qualified(1, SOMEBODY)


def test_exam__failed__cools_down_and_is_bounded(community: Community, clock: Clock) -> None:
    learning = community.learning
    learning.publish(1, course())
    assert not sit(community, right=False)
    standing = learning.standing(1, SOMEBODY)
    assert (standing.left, standing.again_at) == (1, int(clock.seconds) + 600)
    with pytest.raises(GatewayRefusal, match="too early"):
        learning.begin_exam(1, SOMEBODY)
    clock.seconds += 600
    assert not sit(community, right=False)
    clock.seconds += 600
    with pytest.raises(GatewayRefusal, match="used all attempts"):
        learning.begin_exam(1, SOMEBODY)
    with pytest.raises(GatewayRefusal, match="pass it first"):
        learning.check_qualified(1, SOMEBODY)
    assert learning.standing(1, SOMEBODY).left == 0


def test_exam__reload__shows_the_same_questions_and_counts_once(community: Community) -> None:
    learning = community.learning
    learning.publish(1, course())
    asked = learning.begin_exam(1, SOMEBODY)
    assert learning.begin_exam(1, SOMEBODY) == asked
    with pytest.raises(InputError, match="answer each of them"):
        learning.hand_in(1, SOMEBODY, [0])
    assert learning.standing(1, SOMEBODY).running is not None
    learning.hand_in(1, SOMEBODY, [one.answer for one in asked])
    with pytest.raises(GatewayRefusal, match="no attempt is under way"):
        learning.hand_in(1, SOMEBODY, [one.answer for one in asked])
    assert len(community.privacy.export(SOMEBODY)["exam_attempts"]) == 1


def test_exam__course_changed_meanwhile__a_dropped_question_counts_as_right(
    community: Community,
) -> None:
    learning = community.learning
    learning.publish(1, course())
    asked = learning.begin_exam(1, SOMEBODY)
    kept = [one for one in course_document()["exam"]["pool"] if one["id"] != asked[0].id]
    exam = {**course_document()["exam"], "pool": kept}
    learning.publish(1, course(exam=exam))
    assert learning.begin_exam(1, SOMEBODY) == asked[1:]
    assert learning.hand_in(1, SOMEBODY, [asked[1].answer]).passed


PICTURE = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"guidelines": ""}, "guidelines"),
        ({"experts": ["me"]}, r"experts\.0"),
        ({"training": [question("a"), question("a")]}, "same id"),
        ({"training": [question("a", answer=0, choices=["x"])]}, r"training\.0\.choices"),
        ({"training": [{**question("a"), "answer": 3}]}, "count from 0"),
        ({"training": [question("a", picture="http://x/y.png")]}, "no CID"),
        ({"training": [question("a", picture=PICTURE)]}, "describes"),
        ({"exam": {"pool": [question("a")], "questions": 2, "pass": 1}}, "each is at most"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_course__malformed__is_refused_by_place(changes: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Course.of(course_document(**changes))


def test_read_course__yaml_with_a_picture__puts_it_into_content(tmp_path: Path) -> None:
    content, picture = LocalContent(tmp_path / "content"), Block(RAW, b"\x89PNG\r\n\x1a\n rest")
    (tmp_path / "bar.png").write_bytes(picture.data)
    shown = {"picture": "bar.png", "describes": "A seven with a bar"}
    document = course_document(training=[question("bar", **shown)])
    path = tmp_path / "course.yaml"
    path.write_text(yaml.safe_dump(document))
    read = read_course(path, content)
    assert read.training[0].picture == str(picture.link)
    assert content.get(picture.digest, RAW) == picture.data
    assert Course.parse(read.document) == read


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "is no YAML"),
        ("- 1", "is not of type"),
        ("\0", "is no YAML"),
        ("!!python/object/apply:os.system ['id']", "is no YAML"),
        ("training: [{picture: ../x.png}]", "leaves the course's folder"),
        ("training: [{picture: none.png}]", "can't be read"),
        ("training: [{picture: bar.png}]", "guidelines"),
    ],
)
def test_read_course__no_course__is_refused_and_puts_nothing(
    tmp_path: Path, text: str, told: str
) -> None:
    content = LocalContent(tmp_path / "content")
    (tmp_path / "bar.png").write_bytes(b"picture")
    path = tmp_path / "course.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        read_course(path, content)
    with pytest.raises(InputError, match="can't be read"):
        read_course(tmp_path / "none.yaml", content)
    with pytest.raises(ContentMissing):
        content.get(Block(RAW, b"picture").digest, RAW)


def test_digit_course__scans__are_none_of_the_campaigns_and_tell_their_class(
    tmp_path: Path,
) -> None:
    content = LocalContent(tmp_path)
    taught = digit_course(content, (SOMEBODY,))
    assert taught.experts == (SOMEBODY,)
    assert [one.answer for one in taught.training] == list(range(10))
    assert taught.exam is not None
    pictures = {one.picture for one in taught.by_id.values()}
    assert len(pictures) == 40
    campaigns = {str(Block(RAW, image).link) for image in digits(TAUGHT)[0]}
    assert not pictures & campaigns
    assert content.get(Link.parse(taught.training[3].picture).digest, RAW)[:4] == b"\x89PNG"
