"""Courses that tests teach."""

from __future__ import annotations

from typing import Any

from oracle.community.course import Course


def question(name: str, topic: str = "sevens", answer: int = 0, **more: Any) -> dict[str, Any]:
    """A question whose right choice says so."""
    choices = ["wrong", "not it", "neither"]
    choices[answer] = "right"
    return {
        "id": name,
        "topic": topic,
        "prompt": f"What is {name}?",
        "choices": choices,
        "answer": answer,
        "explanation": f"Because of {name}.",
        **more,
    }


def course_document(**changes: Any) -> dict[str, Any]:
    """Three training questions of two topics; an exam of two out of three, both to be right."""
    return {
        "guidelines": "# Digits\n\nA seven may have a bar.\n\nA one may have a foot.",
        "note": "Says more about ones.",
        "experts": ["0x" + "e1" * 20],
        "training": [
            question("bar"),
            question("foot", "ones", 1),
            question("hook", "ones", 2),
        ],
        "exam": {
            "pool": [question("exam-1"), question("exam-2", answer=1), question("exam-3")],
            "questions": 2,
            "pass": 2,
            "attempts": 2,
            "cool_down": 600,
        },
        **changes,
    }


def course(**changes: Any) -> Course:
    """`course_document`, checked."""
    return Course.of(course_document(**changes))
