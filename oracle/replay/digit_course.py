"""The course of the digits campaign: scans that the campaign itself doesn't hold, so that nobody
learns an answer there that is paid.
"""

from __future__ import annotations

from typing import Any

from oracle.community.course import Course
from oracle.evidence.codec import RAW, Block
from oracle.ports import ContentStore
from oracle.replay.digits import GUIDELINES, digit_scan, digit_truth

TAUGHT = 1_000  # scans before this place are the campaigns'
TOPICS = {
    "Ones and sevens": (1, 7),
    "Fours and nines": (4, 9),
    "Threes, fives and eights": (3, 5, 8),
    "Twos, zeros and sixes": (2, 0, 6),
}
TELLS = {
    0: "A zero is closed and empty, and no wider at its foot than at its top.",
    1: "A one is a single stroke. It may have a flag at the top and a foot, but no roof.",
    2: "A two has a round top, open to the left, and a flat foot.",
    3: "A three has two bows, both open to the left.",
    4: "A four has an angle, open at the top or closed, and a stroke that runs below it.",
    5: "A five has a flat top and a corner at its upper left; only its lower half is round.",
    6: "A six is closed below and has one arm, which bends over it.",
    7: "A seven has a roof. Many people draw a bar through its stem.",
    8: "An eight is closed above and below.",
    9: "A nine is closed above and has one arm, which hangs below.",
}
EDGES = """
## Edge cases

| you see | answer |
| --- | --- |
| a stem with a roof, with or without a bar | 7 |
| a stem with a flag, with or without a foot | 1 |
| a four whose top is closed | 4, where its sides are straight; 9, where they are round |
| half a digit, or two of them | skip it, as unclear |
"""


def digit_course(content: ContentStore, experts: tuple[bytes, ...] = ()) -> Course:
    """Return guidelines with edge cases, ten training questions and an exam; its pictures are put
    into `content`."""
    truth = digit_truth()
    places: dict[int, list[int]] = {digit: [] for digit in TELLS}
    for place in range(TAUGHT, len(truth)):
        places[truth[place]].append(place)

    def question(place: int) -> dict[str, Any]:
        digit = truth[place]
        picture = Block(RAW, digit_scan(place))
        content.put(picture.data, picture.codec)
        return {
            "id": f"scan-{place}",
            "topic": next(topic for topic, those in TOPICS.items() if digit in those),
            "prompt": "Which digit did the writer mean?",
            "picture": str(picture.link),
            "describes": "A scan of one handwritten digit, which only its looks tell",
            "choices": [str(one) for one in range(10)],
            "answer": digit,
            "explanation": f"It is a **{digit}**. {TELLS[digit]}",
        }

    return Course.of(
        {
            "guidelines": f"{GUIDELINES}{EDGES}",
            "note": "With edge cases.",
            "experts": ["0x" + expert.hex() for expert in experts],
            "training": [question(places[digit][0]) for digit in TELLS],
            "exam": {
                "pool": [question(place) for digit in TELLS for place in places[digit][1:4]],
                "questions": 5,
                "pass": 4,
                "attempts": 5,
                "cool_down": 60,
            },
        }
    )
