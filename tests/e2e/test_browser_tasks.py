"""Every task type in a real Chromium, by mouse and by keys alone, from the item to the claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from oracle.evidence.tasks import RegionTask, read_task
from oracle.quality.closeness import closeness_ppm
from oracle.replay.showcase import SCALE, SHOWCASES
from oracle.transport.listening import listening
from tests.e2e.accessibility import violations
from tests.e2e.chromium import (
    DESKTOP,
    SMALL_PHONE,
    TestWallet,
    free_port,
    screenshot,
    watch,
)
from tests.support.people import community_in
from tests.webapp.fake_desk import FakeDesk
from webapp import Settings, create_app

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
expect.set_options(timeout=30_000)

BY_TYPE = {one.task["type"]: one for one in SHOWCASES}
Visit = tuple[Page, FakeDesk, list[str]]


@pytest.fixture
def begin(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Open the campaign of a showcase and go as far as its first item."""
    with ExitStack() as stack:

        def visit(kind: str, *, items: int = 2, **context: Any) -> Visit:
            desk = FakeDesk(showcase=BY_TYPE.get(kind), items=items)
            port = free_port()
            origin = f"http://127.0.0.1:{port}"
            community = stack.enter_context(community_in())
            app = create_app(desk, community, Settings((origin,), b"k" * 32))
            stack.enter_context(listening(app, "127.0.0.1", port))
            opened = browser.new_context(**{"viewport": DESKTOP, **context})
            stack.callback(opened.close)
            page = opened.new_page()
            page.set_default_timeout(30_000)
            troubles = watch(page, origin)
            TestWallet.named("contributor", 31337).install(page)
            page.goto(f"{origin}/campaigns/1")
            page.get_by_role("button", name="Use Test Wallet").click()
            page.get_by_role("button", name="I agree").click()
            ready(page)
            return page, desk, troubles

        yield visit


def ready(page: Page) -> None:
    """Wait until an item is there to be answered."""
    expect(page.locator('[data-panel="label"]')).to_be_visible()
    for image in page.locator("#stage img").all():
        expect(image).to_have_js_property("complete", True)
    if page.locator("#add-region").count():
        expect(page.locator("#stage svg").first).to_be_attached()


def truth(kind: str, item: int) -> Any:
    return BY_TYPE[kind].make(item)[1]


def answers(desk: FakeDesk) -> dict[int, Any]:
    return {item: answer for (_, item), answer in desk.answers.items()}


# -- answering -------------------------------------------------------------------------------------


def at(page: Page, x: int, y: int) -> tuple[float, float]:
    """Where a point of the item's picture (0 to SCALE) is on the page."""
    box = page.locator("#item-image").bounding_box()
    assert box is not None
    return box["x"] + box["width"] * x / SCALE, box["y"] + box["height"] * y / SCALE


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up()


def by_mouse(page: Page, kind: str, answer: Any) -> None:
    """Give an answer with the pointer (texts are typed)."""
    if kind in ("ordinal", "pairwise"):
        page.locator(f'#classes button[value="{answer}"]').click()
        return
    if kind == "multilabel":
        for words in (*answer["labels"], *answer["attributes"].values()):
            page.locator("#editor label", has_text=words).click()
    elif kind == "boxes":
        for count, region in enumerate(answer, 1):
            page.locator(f'#classes button[value="{region["class"]}"]').click()
            left, top, right, bottom = region["box"]
            drag(page, at(page, left, top), at(page, right, bottom))
            expect(page.locator("#marks li")).to_have_count(count)
    elif kind == "polygons":
        points = [at(page, *point) for point in answer[0]["points"]]
        for x, y in points:
            page.mouse.click(x, y)
            page.wait_for_timeout(400)  # two clicks at once would end the outline
        page.mouse.click(*points[0])
        expect(page.locator("#marks li")).to_have_count(1)
    elif kind == "spans":
        for span in answer:
            select(page, span["start"], span["end"])
            page.locator("#classes button", has_text=span["class"]).click()
    else:
        page.locator("#answer-text").click()
        page.keyboard.type(answer)
    page.locator("#done").click()


def select(page: Page, start: int, end: int) -> None:
    """Drag over the characters of the item's text."""
    ends = page.evaluate(
        """([start, end]) => {
          const place = (at, right) => {
            for (const part of document.querySelector('.item-text').children) {
              const first = Number(part.dataset.start);
              if (at < first || at >= first + [...part.textContent].length) continue;
              const range = document.createRange();
              const units = [...part.textContent].slice(0, at - first).join('').length;
              range.setStart(part.firstChild, units);
              range.setEnd(part.firstChild, units + 1);
              const box = range.getBoundingClientRect();
              return [right ? box.right - 1 : box.left + 1, box.top + box.height / 2];
            }
          };
          return [place(start, false), place(end - 1, true)];
        }""",
        [start, end],
    )
    drag(page, tuple(ends[0]), tuple(ends[1]))


def by_keys(page: Page, kind: str, answer: Any) -> None:
    """Give an answer without the pointer."""
    press = page.keyboard.press
    task = BY_TYPE[kind].task
    if kind in ("ordinal", "pairwise"):
        press(str(task["classes"].index(answer) + 1))
        return
    if kind == "multilabel":
        for label in answer["labels"]:
            press(str(task["labels"].index(label) + 1))
        for _ in range(task["attributes"]["light"].index(answer["attributes"]["light"]) + 1):
            press("a")
        press("Enter")
    elif kind in ("boxes", "polygons"):
        for region in answer:
            shape_by_keys(page, kind, region, task["classes"])
        press("Enter")
    elif kind == "spans":
        spans_by_keys(page, answer, task["classes"])
        press("Enter")
    else:
        page.keyboard.type(answer)
        press("Control+Enter")


def shape_by_keys(page: Page, kind: str, region: dict[str, Any], classes: list[str]) -> None:
    """Start a region in the middle, then bring each of its corners near its place."""
    press = page.keyboard.press
    press("n")
    press(str(classes.index(region["class"]) + 1))
    if kind == "boxes":
        left, top, right, bottom = region["box"]
        moves = [((400, 400), (left, top)), ((600, 600), (right, bottom))]
    else:
        started = [(500, 400), (600, 500), (500, 600), (400, 500)]
        # The diamond's corners begin at the top; the field's at the top left.
        moves = [(one, tuple(point)) for one, point in zip(started, region["points"], strict=True)]
    for (x, y), (u, v) in moves:
        press("c")
        for distance, keys in (
            (u - x, ("ArrowLeft", "ArrowRight")),
            (v - y, ("ArrowUp", "ArrowDown")),
        ):
            for _ in range(round(abs(distance) / 20)):
                press(keys[distance > 0])


def spans_by_keys(page: Page, answer: list[dict[str, Any]], classes: list[str]) -> None:
    """Walk from word to word, and take more of them where a name has several."""
    text = page.locator(".item-text").inner_text()
    starts = page.evaluate(
        """(text) => [...new Intl.Segmenter(undefined, {granularity: 'word'}).segment(text)]
          .filter((one) => one.isWordLike).map((one) => [...text.slice(0, one.index)].length)""",
        text,
    )
    for span in answer:
        inside = [start for start in starts if span["start"] <= start < span["end"]]
        for _ in range(starts.index(span["start"]) + 1):
            page.keyboard.press("ArrowRight")
        for _ in inside[1:]:
            page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press(str(classes.index(span["class"]) + 1))


# -- every type ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(BY_TYPE))
def test_type__by_mouse_and_by_keys_alone__to_a_paid_label(
    begin: Callable[..., Visit], kind: str
) -> None:
    page, desk, troubles = begin(kind)
    by_mouse(page, kind, truth(kind, 0))
    expect(page.locator("#batch-place")).to_have_text("Item 2 of 2")
    ready(page)
    by_keys(page, kind, truth(kind, 1))
    expect(page.locator('[data-panel="review"]')).to_be_visible()
    screenshot(page, f"review-{kind}")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("2 labels submitted")
    task = read_task({**BY_TYPE[kind].task, "schema": {}})
    given = answers(desk)
    for item in (0, 1):
        assert task.fault(given[item]) is None
        if isinstance(task, RegionTask):
            assert closeness_ppm(task, given[item], truth(kind, item)) > 750_000
        else:
            assert given[item] == truth(kind, item)
    desk.finalize()
    page.get_by_role("button", name="Claim 0.1 LABEL").click()
    expect(page.locator("#balance")).to_have_text("0.1 LABEL")
    assert troubles == []


@pytest.mark.parametrize("kind", ["categorical", *BY_TYPE])
def test_type__label_page__is_accessible_and_fits(begin: Callable[..., Visit], kind: str) -> None:
    page, _, _ = begin(kind, viewport=SMALL_PHONE, color_scheme="light")
    if kind in ("boxes", "polygons"):
        page.keyboard.press("n")
    if kind == "spans":
        page.keyboard.press("ArrowRight")
        page.keyboard.press("1")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for name, size in (("phone", SMALL_PHONE), ("desktop", DESKTOP)):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            screenshot(page, f"label-{kind}-{name}-{scheme}")
        assert violations(page) == []
    page.locator("#help").click()
    expect(page.locator("#keys")).to_be_visible()
    assert violations(page) == []
    screenshot(page, f"keys-{kind}")


def tap_word(page: Page, start: int) -> None:
    place = page.evaluate(
        """(start) => {
          for (const part of document.querySelector('.item-text').children) {
            const first = Number(part.dataset.start);
            const length = [...part.textContent].length;
            if (start < first || start >= first + length) continue;
            const range = document.createRange();
            const units = [...part.textContent].slice(0, start - first).join('').length;
            range.setStart(part.firstChild, units);
            range.setEnd(part.firstChild, units + 2);
            const box = range.getBoundingClientRect();
            return [box.left + box.width / 2, box.top + box.height / 2];
          }
        }""",
        start,
    )
    page.touchscreen.tap(*place)


@pytest.mark.parametrize("kind", ["pairwise", "multilabel", "boxes", "polygons", "spans"])
def test_type__by_touch_on_a_phone__is_labeled(begin: Callable[..., Visit], kind: str) -> None:
    page, desk, troubles = begin(kind, items=1, viewport=SMALL_PHONE, has_touch=True)
    answer = truth(kind, 0)
    if kind == "pairwise":
        page.locator(f'#classes button[value="{answer}"]').tap()
    elif kind == "multilabel":
        for words in (*answer["labels"], *answer["attributes"].values()):
            page.locator("#editor label", has_text=words).tap()
    elif kind == "boxes":
        page.locator("#add-region").tap()
        answer = [{"class": "disc", "box": [400, 400, 600, 600]}]
    elif kind == "polygons":
        for point in answer[0]["points"]:
            page.touchscreen.tap(*at(page, *point))
        page.locator("#close-outline").tap()
        expect(page.locator("#marks li")).to_have_count(1)
    else:
        # The first is one word, the second two: the second tap takes the next word along.
        assert page.locator(".item-text").inner_text() == "Emmy gave a talk in New York."
        for span, starts in zip(answer, ([0], [20, 24]), strict=True):
            for start in starts:
                tap_word(page, start)
            page.locator("#classes button", has_text=span["class"]).tap()
    if kind != "pairwise":
        page.locator("#done").tap()
    page.get_by_role("button", name="Submit 1 label").tap()
    expect(page.locator("#notice")).to_contain_text("1 label submitted")
    if kind == "polygons":
        task = read_task({**BY_TYPE[kind].task, "schema": {}})
        assert closeness_ppm(task, answers(desk)[0], answer) > 900_000
    else:
        assert answers(desk) == {0: answer}
    assert troubles == []


def finger(page: Page, *places: tuple[float, float]) -> None:
    """Put a finger down at the first place, move it over the others, rest, lift it.

    A browser takes a finger that is lifted in mid-course for a fling, and the next tap for its end.
    """
    touch = page.context.new_cdp_session(page)
    for number, (x, y) in enumerate(places):
        kind = "touchMove" if number else "touchStart"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        page.wait_for_timeout(30)  # as a hand takes; a browser tells scrolls from drags by it
    page.wait_for_timeout(300)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_boxes__dragged_by_a_finger__are_drawn_and_the_page_stays(
    begin: Callable[..., Visit],
) -> None:
    page, desk, troubles = begin("boxes", items=1, viewport=SMALL_PHONE, has_touch=True)
    answer = truth("boxes", 0)
    for region in answer:
        left, top, right, bottom = region["box"]
        page.locator(f'#classes button[value="{region["class"]}"]').tap()
        page.locator("#item-image").scroll_into_view_if_needed()
        stood = page.evaluate("scrollY")
        steps = [(left + (right - left) * n // 4, top + (bottom - top) * n // 4) for n in range(5)]
        finger(page, *(at(page, x, y) for x, y in steps))
        assert page.evaluate("scrollY") == stood
    expect(page.locator("#marks li")).to_have_count(len(answer))
    page.locator("#done").tap()
    page.get_by_role("button", name="Submit 1 label").tap()
    expect(page.locator("#notice")).to_contain_text("1 label submitted")
    task = read_task({**BY_TYPE["boxes"].task, "schema": {}})
    assert closeness_ppm(task, answers(desk)[0], answer) > 800_000
    assert troubles == []


# -- undo, drafts, checks --------------------------------------------------------------------------


def test_boxes__undo_redo_and_zoom__and_the_draft_survives_a_reload(
    begin: Callable[..., Visit],
) -> None:
    page, _, _ = begin("boxes")
    press, marks = page.keyboard.press, page.locator("#marks li")
    for key in ("n", "ArrowLeft", "n"):
        press(key)
    expect(marks).to_have_count(2)
    press("Control+z")
    expect(marks).to_have_count(1)
    expect(marks.first).to_contain_text("380 400")
    press("Control+z")
    expect(marks.first).to_contain_text("400 400")
    press("Control+Shift+z")
    expect(marks.first).to_contain_text("380 400")
    before = page.locator("#item-image").bounding_box()
    press("+")
    after = page.locator("#item-image").bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] == pytest.approx(1.5 * before["width"], rel=0.02)
    page.reload()
    ready(page)
    expect(marks).to_have_count(1)
    expect(marks.first).to_contain_text("380 400")


def test_text__what_cannot_be_sent__is_said_and_nothing_is_taken(
    begin: Callable[..., Visit],
) -> None:
    page, desk, _ = begin("text")
    page.locator("#done").click()
    expect(page.locator("#problem")).to_contain_text("Write something first")
    page.locator("#answer-text").fill("x" * 201)
    page.locator("#done").click()
    expect(page.locator("#problem")).to_contain_text("Shorten it to 200 characters: it has 201")
    expect(page.locator("#batch-place")).to_have_text("Item 1 of 2")
    page.locator("#answer-text").fill("  Cafe\u0301 \n")
    page.locator("#done").click()
    page.locator("#answer-text").fill("tea")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Submit 2 labels").click()
    expect(page.locator("#notice")).to_contain_text("2 labels submitted")
    assert answers(desk) == {0: "Café", 1: "tea"}  # composed, without blanks


def test_flag_and_comment__reach_the_gateway_and_the_inbox(begin: Callable[..., Visit]) -> None:
    page, desk, troubles = begin("ordinal")
    page.locator("summary", has_text="Comment").click()
    page.locator("#comment-text").fill("The picture is upside down, I think.")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#notice")).to_contain_text("Comment sent")
    page.locator("#skip-reason").select_option("3")
    page.locator("#skip").click()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("1 label submitted")
    assert list(answers(desk)) == [1]
    assert [row.data[-1] for row in desk.rows if row.data[0] == 4] == [3]
    page.goto(page.url + "/questions")
    expect(page.get_by_text("Item 0: The picture is upside down")).to_be_visible()
    assert troubles == []


# -- offline, two tabs -----------------------------------------------------------------------------


def test_offline__labeling_goes_on__and_arrives_once_when_back(begin: Callable[..., Visit]) -> None:
    page, desk, _ = begin("ordinal", items=4)
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    for key in "1234":
        page.keyboard.press(key)
    expect(page.locator('[data-panel="review"]')).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#error")).to_contain_text("kept in this browser")
    page.wait_for_timeout(12_000)  # several attempts fail
    assert desk.answers == {}
    page.context.set_offline(False)
    expect(page.locator("#notice")).to_contain_text("Connected again")
    assert answers(desk) == dict(enumerate(BY_TYPE["ordinal"].task["classes"][:4]))
    assert sum(row.data[0] == 3 for row in desk.rows) == 1


def second_tab(context: BrowserContext, page: Page) -> Page:
    other = context.new_page()
    other.set_default_timeout(30_000)
    TestWallet.named("contributor", 31337).install(other)
    other.goto(page.url)
    ready(other)
    return other


def test_two_tabs__share_answers__and_send_each_once(begin: Callable[..., Visit]) -> None:
    page, desk, _ = begin("ordinal", items=6)
    other = second_tab(page.context, page)
    page.keyboard.press("1")
    expect(other.locator("#batch-place")).to_have_text("Item 2 of 6")
    other.keyboard.press("2")
    expect(page.locator("#batch-place")).to_have_text("Item 3 of 6")
    page.keyboard.press("3")
    expect(other.locator("#batch-place")).to_have_text("Item 4 of 6")
    for key in "454":
        other.keyboard.press(key)
    for one in (page, other):
        expect(one.locator('[data-panel="review"]')).to_be_visible()
    page.keyboard.press("Enter")
    other.keyboard.press("Enter")
    expect(page.locator('[data-panel="wait"]')).to_be_visible()
    expect(other.locator('[data-panel="wait"]')).to_be_visible()
    classes = BY_TYPE["ordinal"].task["classes"]
    assert [answers(desk)[n] for n in range(6)] == [classes[int(key) - 1] for key in "123454"]
    assert sum(row.data[0] == 3 for row in desk.rows) == 1


def test_two_tabs__a_draft_in_one__is_kept_while_the_other_works(
    begin: Callable[..., Visit],
) -> None:
    page, desk, _ = begin("text", items=3)
    page.locator("#answer-text").fill("begun here")
    other = second_tab(page.context, page)
    expect(other.locator("#answer-text")).to_have_value("begun here")
    other.locator("#answer-text").fill("begun here, ended there")
    other.keyboard.press("Control+Enter")
    expect(page.locator("#batch-place")).to_have_text("Item 2 of 3")
    page.locator("#answer-text").fill("second")
    page.keyboard.press("Control+Enter")
    page.locator("#answer-text").fill("third")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Submit 3 labels").click()
    expect(page.locator("#notice")).to_contain_text("3 labels submitted")
    assert answers(desk) == {0: "begun here, ended there", 1: "second", 2: "third"}
