from __future__ import annotations

import re
from dataclasses import replace

import pytest

from oracle.community.community import Community
from oracle.community.inbox import SHOWN
from oracle.community.learning import TUTORIAL
from oracle.evidence.codec import RAW, Block
from tests.support.courses import course, course_document, question
from tests.webapp.browser_double import CAMPAIGN, BrowserDouble
from tests.webapp.conftest import Clock
from tests.webapp.fake_desk import FakeDesk, digit_picture
from tests.webapp.test_account import send
from webapp.markdown import clean, markdown

HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script> "
    "[a](javascript:alert(3)) ![b](https://evil.example/x.png) <b onclick=alert(4)>{{7*7}}</b>"
)


def test_tutorial__visitor__reads_it_all_without_a_wallet(visitor: BrowserDouble) -> None:
    for step in TUTORIAL:
        page = visitor.get(f"/learn/{step}").text
        assert "<form method" not in page.split("<main")[1]
    assert visitor.get("/learn/none").status_code == 404


def test_tutorial__contributor__keeps_the_progress(contributor: BrowserDouble) -> None:
    for place, step in enumerate(TUTORIAL, 1):
        answer = send(contributor, f"/learn/{step}")
        following = f"/learn/{TUTORIAL[place]}" if place < len(TUTORIAL) else "/learn"
        assert (answer.status_code, answer.location) == (303, following)
        assert contributor.get("/learn").text.count(">done<") == place
    assert send(contributor, "/learn/none").status_code == 422


def test_guidelines__versions__are_shown_with_what_changed(
    visitor: BrowserDouble, community: Community, desk: FakeDesk
) -> None:
    community.learning.publish(1, course())
    newest = visitor.get("/campaigns/1/guidelines").text
    assert "A seven may have a bar." in newest
    assert "Says more about ones." in newest
    old = visitor.get("/campaigns/1/guidelines?version=1").text
    assert "scanned at low resolution" in old
    assert "Read the newest" in old
    changed = visitor.get("/campaigns/1/guidelines?version=2&since=1").text
    assert "<ins>A one may have a foot.</ins>" in changed
    assert "<del>Each picture shows" in changed
    assert visitor.get("/campaigns/1/guidelines?version=9&since=x").status_code == 200


def test_training__answers__are_judged_and_explained_at_once(
    contributor: BrowserDouble, community: Community
) -> None:
    community.learning.publish(1, course())
    page = contributor.get("/campaigns/1/training").text
    assert "What is bar?" in page
    assert "Because of bar" not in page
    wrong = send(contributor, "/campaigns/1/training", question="bar", choice="1").text
    assert "Not quite." in wrong
    assert "Because of bar." in wrong
    assert "A refresher for you" in wrong
    right = send(contributor, "/campaigns/1/training", question="foot", choice="1").text
    assert "That is right." in right
    assert "1 of 3 right" in right
    for fields in ({"question": "exam-1", "choice": "0"}, {"question": "bar", "choice": "9"}):
        assert send(contributor, "/campaigns/1/training", **fields).status_code == 422
    assert send(contributor, "/campaigns/1/training", question="bar").status_code == 400


def hand_in(browser: BrowserDouble, right: bool) -> str:
    """Answer the questions of the running attempt; return the page that follows."""
    page = browser.get("/campaigns/1/exam").text
    pool = {one["id"]: one["answer"] for one in course_document()["exam"]["pool"]}
    names = dict.fromkeys(re.findall(r'type="radio" name="([^"]+)"', page))
    choices = {name: str(pool[name] if right else (pool[name] + 1) % 3) for name in names}
    assert send(browser, "/campaigns/1/exam", **choices).status_code == 303
    return browser.get("/campaigns/1/exam").text


def test_exam__passed__lets_one_label(contributor: BrowserDouble, community: Community) -> None:
    community.learning.publish(1, course())
    refused = contributor.post(f"{CAMPAIGN}/leases", {"count": 1})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "unqualified")
    assert send(contributor, "/campaigns/1/exam/begin").status_code == 303
    assert "You passed." in hand_in(contributor, right=True)
    assert contributor.post(f"{CAMPAIGN}/leases", {"count": 1}).status_code == 200
    assert send(contributor, "/campaigns/1/exam/begin").status_code == 409


def test_exam__failed__gives_no_answers_away_and_waits(
    contributor: BrowserDouble, community: Community, clock: Clock
) -> None:
    community.learning.publish(1, course())
    send(contributor, "/campaigns/1/exam/begin")
    running = contributor.get("/campaigns/1/exam").text
    assert "Because of" not in running
    page = hand_in(contributor, right=False)
    assert "Not passed this time" in page
    assert "Because of" not in page
    assert "The next attempt opens" in page
    assert send(contributor, "/campaigns/1/exam/begin").status_code == 409
    clock.seconds += 600
    assert send(contributor, "/campaigns/1/exam/begin").status_code == 303
    assert "used all 2 attempts" in hand_in(contributor, right=False)
    assert contributor.post(f"{CAMPAIGN}/leases", {"count": 1}).status_code == 409


def test_questions__asked__show_no_address(
    contributor: BrowserDouble, visitor: BrowserDouble, community: Community
) -> None:
    assert send(contributor, "/campaigns/1/questions", text="Is it a seven?").status_code == 303
    assert send(contributor, "/campaigns/1/questions", text="short").status_code == 422
    page = visitor.get("/campaigns/1/questions").text
    assert "Is it a seven?" in page
    assert contributor.address.hex()[:4] not in page.split("<main")[1].lower()


def test_questions__more_than_a_page__none_is_out_of_reach(
    visitor: BrowserDouble, community: Community
) -> None:
    for number in range(SHOWN + 1):
        community.inbox.ask(1, number.to_bytes(20), f"Question number {number}?")
    newest = visitor.get("/campaigns/1/questions").text
    assert "Question number 1?" in newest
    assert "Question number 0?" not in newest
    (older,) = re.findall(r'href="(/campaigns/1/questions\?before=\d+)">Older', newest)
    last = visitor.get(older).text
    assert "Question number 0?" in last
    assert "Question number 1?" not in last
    assert ">Older</a>" not in last
    for nonsense in ("0", "-1", "9" * 40, "x", "1e5"):
        page = visitor.get(f"/campaigns/1/questions?before={nonsense}")
        assert (page.status_code, "number 50?" in page.text) == (200, True)


def test_hostile_course__every_field__stays_text(
    contributor: BrowserDouble, community: Community, desk: FakeDesk
) -> None:
    fields = {"prompt": HOSTILE, "explanation": HOSTILE, "topic": HOSTILE[:80]}
    asked = question("bar", **fields)
    asked["choices"] = [HOSTILE, "other"]
    exam = {"pool": [{**asked, "id": "exam"}], "questions": 1, "pass": 1}
    community.learning.publish(
        1, course(guidelines=HOSTILE, note=HOSTILE, training=[asked], exam=exam)
    )
    desk.view = replace(desk.view, title=HOSTILE, description=HOSTILE, consent_text=HOSTILE)
    community.inbox.ask(1, contributor.address, HOSTILE)
    for person in range(5):
        community.learning.train(1, bytes([person]) * 20, "bar", 1)
    pages = [
        contributor.get(path).text
        for path in (
            *("/", "/campaigns/1", "/campaigns/1/guidelines", "/campaigns/1/training"),
            *("/campaigns/1/guidelines?version=2&since=1", "/campaigns/1/questions"),
            *("/campaigns/1/exam", "/campaigns/1/terms"),
        )
    ]
    pages.append(send(contributor, "/campaigns/1/training", question="bar", choice="1").text)
    send(contributor, "/campaigns/1/exam/begin")
    pages.append(contributor.get("/campaigns/1/exam").text)
    for page in pages:
        assert not re.search(r"<(script>|b |img src=x)", page)
        assert not re.search(r'(href|src)="(javascript|https?):', page)
        assert "49" not in re.sub(r"[0-9a-f]{40,}", "", page)
    assert sum("&lt;script&gt;" in page for page in pages) >= len(pages) - 1


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# A\n\n**b**", "<h2>A</h2>\n<p><strong>b</strong></p>\n"),
        ("[x](https://a.example)", 'href="https://a.example" rel="noopener noreferrer nofollow"'),
        ("[x](data:text/html,y)", "<p>[x](data:text/html,y)</p>"),
        ("![seven](https://evil.example/7.svg)", "<p>seven</p>"),
        ("![<svg onload=x>](/static/icon.svg)", "<p>&lt;svg onload=x&gt;</p>"),
        ("<iframe src=x></iframe>", "&lt;iframe"),
        ("|a|\n|-|\n|b|", "<td>b</td>"),
    ],
)
def test_markdown__any__is_clean(text: str, html: str) -> None:
    assert html in markdown(text)


@pytest.mark.parametrize(
    ("html", "cleaned"),
    [
        ("<script>alert(1)</script><p onclick=x style='y'>a</p>", "<p>a</p>"),
        ("<img src=https://evil.example/x><form><input></form>", "<img>"),
        ("<a href=/account/delete>x</a>", '<a rel="noopener noreferrer nofollow">x</a>'),
        ("<a href=javascript:x>x</a>", '<a rel="noopener noreferrer nofollow">x</a>'),
        ("<svg><script>x</script></svg><h1>a</h1>", "a"),
    ],
)
def test_clean__html_that_got_through__loses_all_that_can_act(html: str, cleaned: str) -> None:
    assert clean(html) == cleaned


def test_markdown__picture_by_content_address__is_shown_from_here(
    visitor: BrowserDouble, community: Community
) -> None:
    block = Block(RAW, digit_picture(3))
    community._content.put(block.data, block.codec)
    text = f"![a three](ipfs://{block.link})"
    assert f'<img src="/pictures/{block.link}" alt="a three">' in markdown(text)
    answer = visitor.get(f"/pictures/{block.link}")
    assert (answer.content_type, answer.data) == ("image/png", digit_picture(3))
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert visitor.get("/pictures/bafkreinothing").status_code == 422


def test_static__script__travels_compressed(visitor: BrowserDouble) -> None:
    with visitor.get("/static/style.css", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(answer.data) < 6_000
    with visitor.get("/static/style.css") as plain:
        assert "Content-Encoding" not in plain.headers
        assert plain.headers["Vary"] == "Accept-Encoding"
    with visitor.get("/", headers={"Accept-Encoding": "gzip"}) as page:
        assert "Content-Encoding" not in page.headers
