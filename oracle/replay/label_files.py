"""A researcher's label files: read in bounded memory, every slip named by line and remedy.

Nothing in a file is ever used as a path, a command or markup: names and labels are texts, whatever
they say.
"""

from __future__ import annotations

import csv
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO

from oracle.errors import InputError
from oracle.evidence.tasks import MAX_CLASSES

LABELS, TRUTH = "labels.csv", "truth.csv"
DURATION = "duration_s"
FIRST, LAST, ERROR = "first", "last", "error"
ON_DUPLICATE = (FIRST, LAST, ERROR)

MAX_TEXT = 1_000  # characters of a task's or worker's name, and of a label, as in the manifest
MAX_LINE = 1 << 20  # bytes
MAX_FILE = 256 << 20  # bytes
MAX_ROWS = 2_000_000
MAX_CLASS_BYTES = 256 << 10  # of all classes together: manifest and openings repeat them in a block
MAX_SECONDS = 10_000_000


@dataclass(frozen=True)
class FileLabel:
    """One row that counts: places in `LabelFiles.tasks`, `workers` and `classes`, and how long it
    took in milliseconds, None where the file doesn't say."""

    task: int
    worker: int
    klass: int
    milliseconds: int | None = None


@dataclass(frozen=True)
class LabelFiles:
    """What the files of a folder say.

    `tasks` and `workers` stand in order of first appearance, `classes` sorted; `labels` hold one
    row for each pair of task and worker, in the file's order; `truth` maps tasks to classes. `rows`
    counts the rows of labels.csv; `repeated` counts those of both files that say again what was
    said, `conflicting` those that say otherwise. `ignored` names columns by file; `strangers`
    counts truths of tasks nobody labeled. `digest` is the SHA-256 of both files.
    """

    tasks: tuple[str, ...]
    workers: tuple[str, ...]
    classes: tuple[str, ...]
    labels: tuple[FileLabel, ...]
    truth: Mapping[int, int]
    rows: int
    repeated: int
    conflicting: int
    ignored: Mapping[str, tuple[str, ...]]
    strangers: int
    digest: str

    @property
    def has_durations(self) -> bool:
        """Say whether any label comes with the time it took."""
        return any(label.milliseconds is not None for label in self.labels)


def read_label_files(folder: Path, on_duplicate: str = FIRST) -> LabelFiles:
    """Read `labels.csv` (`task,worker,label`) and, where there is one, `truth.csv` (`task,label`).

    Columns may stand in any order; `duration_s` (seconds) is read, others are ignored and named.
    Of rows that give one worker's answer to one task again, the first stays where they agree; where
    they differ, `on_duplicate` says which: "first", "last", or "error". Truth is read likewise.

    Raises InputError, with file, line and remedy, for anything that can't be used.
    """
    if on_duplicate not in ON_DUPLICATE:
        raise InputError(f"on_duplicate is {on_duplicate!r}: use one of {', '.join(ON_DUPLICATE)}")
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: name the one that holds {LABELS}")
    hasher = hashlib.sha256()
    tasks, workers, classes = _Names("task"), _Names("worker"), _Names("label")

    table = _Table(folder, LABELS, ("task", "worker", "label"), hasher, optional=(DURATION,))
    given = _Answers(on_duplicate)
    seconds: dict[tuple[int, int], int | None] = {}
    for place, (task, worker, label, duration) in table:
        key = tasks.number(task, place), workers.number(worker, place)
        if given.take(key, classes.number(label, place), place):
            seconds[key] = _milliseconds(duration, place)
    if not given.answers:
        raise InputError(f"{table.path} has no labels: write a row task,worker,label for each")
    ignored, rows = {LABELS: table.ignored}, table.rows

    known = _Answers(on_duplicate)
    strangers = 0
    if _exists(folder / TRUTH):
        table = _Table(folder, TRUTH, ("task", "label"), hasher)
        for place, (task, label) in table:
            if task not in tasks.numbers:
                _check_text("task", task, place)
                strangers += 1
            else:
                known.take((tasks.numbers[task], 0), classes.number(label, place), place)
        ignored[TRUTH] = table.ignored

    names = sorted(classes.numbers)
    _check_classes(folder / LABELS, names)
    order = {classes.numbers[name]: number for number, name in enumerate(names)}
    return LabelFiles(
        tuple(tasks.numbers),
        tuple(workers.numbers),
        tuple(names),
        tuple(
            FileLabel(task, worker, order[klass], seconds[task, worker])
            for (task, worker), klass in given.answers.items()
        ),
        {task: order[klass] for (task, _), klass in known.answers.items()},
        rows,
        given.repeated + known.repeated,
        given.conflicting + known.conflicting,
        {name: columns for name, columns in ignored.items() if columns},
        strangers,
        hasher.hexdigest(),
    )


def _check_classes(path: Path, names: Sequence[str]) -> None:
    if len(names) < 2:
        raise InputError(
            f"{path}: every label is {names[0][:80]!r}: with one class there is nothing to ask; "
            f"add the labels that say otherwise, or a {TRUTH} that names another class"
        )
    size = sum(len(name.encode()) for name in names)
    if size > MAX_CLASS_BYTES:
        raise InputError(
            f"{path}: the {len(names)} classes have {size} bytes together, over {MAX_CLASS_BYTES}: "
            "shorten their names"
        )


@dataclass
class _Names:
    """Texts of one column, numbered in order of first appearance."""

    column: str
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, text: str, place: str) -> int:
        """Return a text's number; InputError where it can't be taken."""
        known = self.numbers.get(text)
        if known is not None:
            return known
        _check_text(self.column, text, place)
        if self.column == "label" and len(self.numbers) == MAX_CLASSES:
            raise InputError(
                f"{place}: more than {MAX_CLASSES} different labels: replay takes categorical "
                "labels; map numbers or free text to classes first"
            )
        self.numbers[text] = len(self.numbers)
        return self.numbers[text]


def _check_text(column: str, text: str, place: str) -> None:
    if not text:
        raise InputError(f"{place}: the {column} is empty: fill it in, or leave the row out")
    if len(text) > MAX_TEXT:
        raise InputError(
            f"{place}: the {column} has {len(text)} characters, at most {MAX_TEXT} are possible: "
            f"shorten it ({text[:40]!r}…)"
        )


@dataclass
class _Answers:
    """Answers by key, each given once; the rule for those given again."""

    on_duplicate: str
    answers: dict[tuple[int, int], int] = field(default_factory=dict)
    repeated: int = 0
    conflicting: int = 0

    def take(self, key: tuple[int, int], answer: int, place: str) -> bool:
        """Take an answer; return whether it is the one that counts now."""
        if key not in self.answers:
            self.answers[key] = answer
            return True
        if self.answers[key] == answer:
            self.repeated += 1
            return False
        self.conflicting += 1
        if self.on_duplicate == ERROR:
            raise InputError(
                f"{place}: an earlier row answers this otherwise: correct one of them, or choose "
                f"by --on-duplicate {FIRST} or {LAST}"
            )
        if self.on_duplicate == LAST:
            self.answers[key] = answer
        return self.on_duplicate == LAST


def _milliseconds(text: str, place: str) -> int | None:
    if not text.strip():
        return None
    try:
        seconds = Decimal(text.strip())
    except InvalidOperation:
        seconds = Decimal("NaN")
    if not seconds.is_finite() or not 0 <= seconds <= MAX_SECONDS:
        raise InputError(
            f"{place}: {DURATION} is {text[:40]!r}: write seconds from 0 to {MAX_SECONDS}, or "
            "leave it empty"
        )
    return int(seconds * 1000)


# -- files -----------------------------------------------------------------------------------------


class _Table:
    """The rows of one CSV file: yields where a row stands, and its cells of `columns` and then of
    `optional` ("" where the file hasn't that column). `ignored` names the other columns then."""

    def __init__(
        self,
        folder: Path,
        name: str,
        columns: tuple[str, ...],
        hasher: hashlib._Hash,
        optional: tuple[str, ...] = (),
    ) -> None:
        self.path = folder / name
        self.ignored: tuple[str, ...] = ()
        self.rows = 0
        self._columns, self._optional = columns, optional
        self._hasher = hasher
        self._file = _open(folder, name)

    def __iter__(self) -> Iterator[tuple[str, list[str]]]:
        with self._file as file:
            self._hasher.update(self.path.name.encode() + b"\0")
            reader = csv.reader(self._lines(file), strict=True)
            places: list[int | None] | None = None
            width = 0
            while True:
                place = f"{self.path}, line {reader.line_num + 1}"
                try:
                    row = next(reader, None)
                except csv.Error as error:
                    raise InputError(
                        f"{place}: not a CSV row ({error}): put a text with commas, quotes or line "
                        f'breaks in double quotes, write a quote in it as "", and no text of more '
                        f"than {MAX_TEXT} characters"
                    ) from error
                if row is None:
                    break
                if not row:
                    continue
                if places is None:
                    places, width = self._header(row, place), len(row)
                    continue
                self.rows += 1
                if self.rows > MAX_ROWS:
                    raise InputError(f"{place}: more than {MAX_ROWS} rows: split the file")
                if len(row) != width:
                    raise InputError(
                        f"{place}: {len(row)} cells where the header names {width} columns: fill "
                        "in what is missing, and put a text with commas in double quotes"
                    )
                yield place, [row[at] if at is not None else "" for at in places]
            if places is None:
                raise InputError(
                    f"{self.path} is empty: begin with the header {','.join(self._columns)}"
                )

    def _header(self, row: list[str], place: str) -> list[int | None]:
        names = [name.strip() for name in row]
        missing = [name for name in self._columns if name not in names]
        if missing:
            raise InputError(
                f"{place}: the header lacks {', '.join(missing)}: it must name "
                f"{','.join(self._columns)}, and names {','.join(names)[:200]!r}"
            )
        twice = sorted({name for name in names if names.count(name) > 1} & self._known)
        if twice:
            raise InputError(f"{place}: the header names {', '.join(twice)} twice: rename one")
        self.ignored = tuple(name for name in names if name not in self._known)
        wanted = (*self._columns, *self._optional)
        return [names.index(name) if name in names else None for name in wanted]

    @property
    def _known(self) -> set[str]:
        return {*self._columns, *self._optional}

    def _lines(self, file: IO[bytes]) -> Iterator[str]:
        number, size = 0, 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            size += len(line)
            place = f"{self.path}, line {number}"
            if len(line) > MAX_LINE:
                raise InputError(
                    f"{place}: longer than {MAX_LINE} bytes: a task, worker or label has at most "
                    f"{MAX_TEXT} characters; shorten it, or close an open quote"
                )
            if size > MAX_FILE or number > 2 * MAX_ROWS:
                raise InputError(
                    f"{place}: the file is over {MAX_FILE >> 20} MiB or {2 * MAX_ROWS} lines: "
                    "split it"
                )
            if b"\0" in line:
                raise InputError(f"{place}: holds a NUL byte: save the file as plain UTF-8 text")
            self._hasher.update(line)
            try:
                yield line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").decode()
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{place}: not UTF-8 at byte {error.start + 1}: save the file as UTF-8"
                ) from error


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _open(folder: Path, name: str) -> IO[bytes]:
    """Open a regular file inside `folder`; InputError for links that lead out, pipes, devices."""
    path = folder / name
    try:
        target = path.resolve(strict=True)
        if not target.is_relative_to(folder.resolve()):
            raise InputError(f"{path} leads out of {folder}: put the file itself there")
        # Without waiting: a named pipe would hold us until somebody writes to it.
        handle = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{path} can't be read ({reason}): put a CSV file of that name there"
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError(f"{path} is no plain file: put a CSV file of that name there")
    return os.fdopen(handle, "rb", buffering=1 << 16)
