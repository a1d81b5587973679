"""One small campaign of each further task type, drawn, written and played here: whoever tries the
page can label everything that it knows.

An item's number says what it shows, so that its answer is known again after a restart.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from oracle.evidence.manifest import NO_METHOD
from oracle.evidence.tasks import read_task
from oracle.gateway.campaign_files import (
    CampaignFiles,
    Gold,
    Item,
    ItemMedia,
    Shown,
    build_campaign,
)
from oracle.replay.digits import digit_terms
from oracle.replay.drawing import (
    blank,
    draw_box,
    draw_convex,
    draw_disc,
    png,
    tone,
    wav,
)

ITEMS, GOLD, GOLD_EPOCHS = 40, 20, 2
WIDTH, HEIGHT, SCALE = 320, 240, 1000
PAPER, INK = (246, 243, 235), (40, 52, 70)
COLOURS = {"red": (200, 40, 40), "blue": (40, 80, 190), "green": (30, 130, 70)}
PEOPLE = ("Ada", "Grace", "Alan", "Emmy", "Srinivasa", "Chien-Shiung", "Mary", "Zoë")
PLACES = ("Paris", "Göttingen", "Kyoto", "São Paulo", "Nairobi", "New York")
CONSENT = """What you agree to

Your labels are signed by a session key that your wallet vouches for. They are published under your
wallet's address when their item closes, and paid by the rules in the campaign's manifest. No name,
network address or time spent is published. The items show no person.
"""


@dataclass(frozen=True)
class Showcase:
    """A campaign's task and words; `make` returns an item (by its number) with its answer."""

    title: str
    description: str
    guidelines: str
    seconds: int
    task: dict[str, Any]
    make: Callable[[int], tuple[Item, Any]]

    def build(self, secret: bytes, **terms: Any) -> CampaignFiles:
        """Build the campaign; `terms` replace top-level members of its manifest."""
        made = [self.make(number) for number in range(ITEMS)]
        schema = read_task({**self.task, "schema": {}}).answer_schema()
        task = read_task({**self.task, "schema": schema})
        changes: dict[str, Any] = {
            "title": self.title,
            "description": self.description,
            "task": dict(task.document),
            "secondsPerItem": self.seconds,
            "gold": {"share": 300_000, "newcomerShare": 500_000, "newcomerItems": 20},
        }
        base = digit_terms()
        low = 1 if task.measured else 3
        method = NO_METHOD if task.measured else "one-coin"
        policy = "gold" if task.measured else "agreement"
        changes["consensus"] = {**base["consensus"], "method": method, "redundancyMin": low}
        changes["payment"] = {**base["payment"], "policy": policy}
        gold = [Gold(item.name, answer) for item, answer in made[:: ITEMS // GOLD]]
        return build_campaign(
            digit_terms(**{**changes, **terms}),
            [item for item, _ in made],
            gold,
            guidelines=f"{self.title}\n\n{self.guidelines}",
            consent=CONSENT,
            gold_epochs=GOLD_EPOCHS,
            secret=secret,
        )

    def answer(self, name: str) -> Any:
        """The true answer of an item by its name."""
        return self.make(int(name.removeprefix("item-")))[1]


def _name(number: int) -> str:
    return f"item-{number:03d}"


def _dice(kind: str, number: int) -> random.Random:
    return random.Random(f"{kind} {number}")


def _picture(number: int, data: bytes) -> Item:
    return Item(_name(number), media=ItemMedia("image/png", data=data))


def _rating(number: int) -> tuple[Item, str]:
    dice = _dice("ordinal", number)
    count = number % 5
    picture = blank(WIDTH, HEIGHT, PAPER)
    for _ in range((0, 6, 18, 45, 110)[count]):
        draw_disc(picture, dice.randrange(WIDTH), dice.randrange(HEIGHT), 7, INK)
    return _picture(number, png(picture)), RATINGS[count]


def _comparison(number: int) -> tuple[Item, str]:
    dice = _dice("pairwise", number)
    few = dice.randrange(3, 12)
    counts = [(few, few + 4), (few + 4, few), (few, few)][number % 3]
    sides = []
    for count in counts:
        picture = blank(HEIGHT, HEIGHT, PAPER)
        for place in dice.sample(range(36), count):
            draw_disc(picture, 20 + place % 6 * 40, 20 + place // 6 * 40, 12, INK)
        sides.append(ItemMedia("image/png", data=png(picture)))
    item = Item(_name(number), media=sides[0], second=Shown(media=sides[1]))
    return item, SIDES[(1, 0, 2)[number % 3]]


def _shapes(number: int) -> tuple[Item, dict[str, Any]]:
    dice = _dice("multilabel", number)
    light = ("day", "night")[number % 2]
    labels = [name for name in SHAPES if dice.random() < 0.5]
    picture = blank(WIDTH, HEIGHT, {"day": (190, 220, 245), "night": (18, 24, 48)}[light])
    if "sun or moon" in labels:
        draw_disc(picture, dice.randrange(40, 280), 50, 26, (250, 214, 90))
    if "house" in labels:
        x = dice.randrange(20, 140)
        draw_box(picture, [x, 140, x + 80, 210], (170, 90, 70))
        draw_convex(picture, [[x - 10, 140], [x + 40, 95], [x + 90, 140]], (110, 50, 45))
    if "tree" in labels:
        x = dice.randrange(230, 290)
        draw_box(picture, [x - 5, 150, x + 5, 210], (95, 70, 45))
        draw_disc(picture, x, 135, 28, (50, 120, 60))
    draw_box(picture, [0, 210, WIDTH, HEIGHT], (90, 120, 80))
    return _picture(number, png(picture)), {"labels": labels, "attributes": {"light": light}}


def _scaled(x: int, y: int) -> list[int]:
    return [x * SCALE // WIDTH, y * SCALE // HEIGHT]


def _boxes(number: int) -> tuple[Item, list[dict[str, Any]]]:
    dice = _dice("boxes", number)
    picture = blank(WIDTH, HEIGHT, PAPER)
    found = []
    for place in range(dice.randrange(1, 4)):
        left, top = 15 + place * 100 + dice.randrange(20), dice.randrange(20, 130)
        width = dice.randrange(40, 75)
        kind = dice.choice(KINDS)
        height = width if kind == "disc" else dice.randrange(35, 80)
        if kind == "disc":
            radius = width // 2
            draw_disc(picture, left + radius, top + radius, radius, COLOURS["red"])
        else:
            draw_box(picture, [left, top, left + width, top + height], COLOURS["blue"])
        corners = [*_scaled(left, top), *_scaled(left + width, top + height)]
        found.append({"class": kind, "box": corners})
    found.sort(key=lambda one: (KINDS.index(one["class"]), one["box"]))
    return _picture(number, png(picture)), found


def _plot(number: int) -> tuple[Item, list[dict[str, Any]]]:
    dice = _dice("polygons", number)
    picture = blank(WIDTH, HEIGHT, (198, 208, 170))
    points = [
        [dice.randrange(30, 110), dice.randrange(25, 80)],
        [dice.randrange(200, 290), dice.randrange(25, 80)],
        [dice.randrange(210, 290), dice.randrange(150, 215)],
        [dice.randrange(30, 120), dice.randrange(150, 215)],
    ]
    draw_convex(picture, points, (150, 96, 60))
    return _picture(number, png(picture)), [
        {"class": "field", "points": [_scaled(x, y) for x, y in points]}
    ]


def _sentence(number: int) -> tuple[Item, list[dict[str, Any]]]:
    dice = _dice("spans", number)
    parts: list[tuple[str, str | None]] = [(dice.choice(PEOPLE), "person")]
    if number % 3:
        parts += [(" and ", None), (dice.choice(PEOPLE), "person")]
    verb = dice.choice((" met in ", " gave a talk in ", " stayed for a year in "))
    parts += [(verb, None), (dice.choice(PLACES), "place"), (".", None)]
    found, at = [], 0
    for text, kind in parts:
        if kind is not None:
            found.append({"class": kind, "start": at, "end": at + len(text)})
        at += len(text)
    return Item(_name(number), text="".join(text for text, _ in parts)), found


def _caption(number: int) -> tuple[Item, str]:
    dice = _dice("text", number)
    count, colour = dice.randrange(1, 5), dice.choice(sorted(COLOURS))
    picture = blank(WIDTH, HEIGHT, PAPER)
    for place in dice.sample(range(6), count):
        draw_disc(picture, 60 + place % 3 * 100, 65 + place // 3 * 110, 32, COLOURS[colour])
    words = f"{NUMBERS[count]} {colour} {'disc' if count == 1 else 'discs'}"
    return _picture(number, png(picture)), words


def _melody(number: int) -> tuple[Item, str]:
    dice = _dice("transcription", number)
    words = [dice.choice(("high", "low")) for _ in range(dice.randrange(3, 7))]
    pause = tone(160, 0)
    sound = pause + b"".join(tone(320, {"high": 10, "low": 32}[word]) + pause for word in words)
    media = ItemMedia("audio/wav", data=wav(sound))
    return Item(_name(number), media=media), " ".join(words)


RATINGS = ("empty", "sparse", "medium", "dense", "full")
SIDES = ("left", "right", "same")
SHAPES = ("house", "tree", "sun or moon")
KINDS = ("disc", "box")
NUMBERS = ("no", "one", "two", "three", "four")
_REGIONS = {"scale": SCALE, "most": 10, "match": 500_000}

SHOWCASES = (
    Showcase(
        "How full is the picture?",
        "Rate how much of each picture is covered by dots.",
        "Look at the picture as a whole. Empty has no dot at all, full leaves hardly a gap.",
        5,
        {"type": "ordinal", "classes": list(RATINGS)},
        _rating,
    ),
    Showcase(
        "Which side has more dots?",
        "Compare two pictures.",
        "Count if you must. Choose “same” only where both have as many.",
        8,
        {"type": "pairwise", "classes": list(SIDES)},
        _comparison,
    ),
    Showcase(
        "What is in the scene?",
        "Choose everything that a small drawing shows, and when it is.",
        "The ground doesn't count. A yellow disc in the sky is sun or moon, by day and by night.",
        10,
        {
            "type": "multilabel",
            "labels": list(SHAPES),
            "attributes": {"light": ["day", "night"]},
        },
        _shapes,
    ),
    Showcase(
        "Draw boxes around things",
        "Put a box around each disc and each box in a picture.",
        "A box touches its thing on all four sides. Choose the class first, then draw.",
        20,
        {"type": "boxes", "classes": list(KINDS), **_REGIONS},
        _boxes,
    ),
    Showcase(
        "Outline the field",
        "Draw the outline of the brown field in a picture from above.",
        "Set a point at each corner. Straight edges need none between.",
        20,
        {"type": "polygons", "classes": ["field"], **_REGIONS},
        _plot,
    ),
    Showcase(
        "Find people and places",
        "Mark each person and each place in a sentence.",
        "Mark whole names, without blanks or full stops around them.",
        15,
        {"type": "spans", "classes": ["person", "place"], "most": 10, "match": 700_000},
        _sentence,
    ),
    Showcase(
        "Say what you see",
        "Describe a picture in a few words.",
        "Write number, colour and thing, all in small letters, such as “two red discs”.",
        12,
        {"type": "text", "maxLength": 200, "match": 700_000},
        _caption,
    ),
    Showcase(
        "Write down the tones",
        "Listen to a few tones and write each down as high or low.",
        "Write “high” and “low” with one blank between, such as “high low low”.",
        15,
        {"type": "transcription", "maxLength": 200, "match": 700_000},
        _melody,
    ),
)
