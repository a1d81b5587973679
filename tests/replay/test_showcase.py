"""The small campaigns of each task type: drawn alike everywhere, and answered as they say."""

from __future__ import annotations

import pytest

from oracle.errors import InputError
from oracle.evidence.hashing import sha256
from oracle.evidence.tasks import TASK_SCHEMAS, read_task
from oracle.gateway.campaign_files import Item, answer_validator
from oracle.quality.closeness import closeness_ppm
from oracle.replay.drawing import tone, wav
from oracle.replay.showcase import GOLD, ITEMS, SHOWCASES, Showcase

KINDS = [one.task["type"] for one in SHOWCASES]


def test_showcases__and_the_digits__are_all_task_types() -> None:
    assert sorted([*KINDS, "categorical"]) == sorted(TASK_SCHEMAS)


@pytest.mark.parametrize("showcase", SHOWCASES, ids=KINDS)
def test_build__every_showcase__is_a_campaign_whose_answers_its_schema_takes(
    showcase: Showcase,
) -> None:
    manifest = showcase.build(b"\x07" * 32).manifest
    check = answer_validator(manifest)
    assert (manifest.item_count, manifest.gold_count) == (ITEMS, GOLD)
    for number in range(ITEMS):
        item, answer = showcase.make(number)
        assert check(answer) is None
        assert showcase.answer(item.name) == answer
        if manifest.task.measured:
            assert closeness_ppm(manifest.task, answer, answer) == 1_000_000


@pytest.mark.parametrize("showcase", SHOWCASES, ids=KINDS)
def test_make__twice__gives_the_same_item(showcase: Showcase) -> None:
    assert showcase.make(3)[0].record == showcase.make(3)[0].record
    assert showcase.make(3)[0].record != showcase.make(4)[0].record


def test_build__items_that_do_not_fit_the_task__refused() -> None:
    boxes = next(one for one in SHOWCASES if one.task["type"] == "boxes")
    text = Showcase(
        boxes.title,
        boxes.description,
        boxes.guidelines,
        boxes.seconds,
        boxes.task,
        lambda number: (Item(f"item-{number}", text="no picture"), []),
    )
    with pytest.raises(InputError, match="needs media of type image/"):
        text.build(b"\x07" * 32)


def test_wav__a_tone__has_header_and_length() -> None:
    sound = wav(tone(100, 20))
    assert sound[:4] + sound[8:12] == b"RIFFWAVE"
    assert len(sound) == 44 + 2 * 800
    assert sha256(sound) == sha256(wav(tone(100, 20)))


def test_read_task__of_each_showcase__has_a_schema() -> None:
    for one in SHOWCASES:
        assert read_task({**one.task, "schema": {}}).answer_schema()
