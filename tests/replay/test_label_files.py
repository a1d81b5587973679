"""Label files: what is read, what is counted, and every hostile file named by line and remedy."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.errors import InputError
from oracle.replay.label_files import MAX_FILE, MAX_ROWS, FileLabel, LabelFiles, read_label_files

LABELS = "task,worker,label\nt1,w1,yes\nt1,w2,no\nt2,w1,no\n"


def read(
    folder: Path,
    labels: str | bytes = LABELS,
    truth: str | None = None,
    on_duplicate: str = "first",
) -> LabelFiles:
    data = labels if isinstance(labels, bytes) else labels.encode()
    (folder / "labels.csv").write_bytes(data)
    if truth is not None:
        (folder / "truth.csv").write_text(truth, encoding="utf-8")
    return read_label_files(folder, on_duplicate)


# -- what is read ----------------------------------------------------------------------------------


def test_read__plain_files__keeps_order_of_names_and_sorts_classes(tmp_path: Path) -> None:
    files = read(tmp_path, truth="task,label\nt2,maybe\n")
    assert files.tasks == ("t1", "t2")
    assert files.workers == ("w1", "w2")
    assert files.classes == ("maybe", "no", "yes")
    assert files.labels == (FileLabel(0, 0, 2), FileLabel(0, 1, 1), FileLabel(1, 0, 1))
    assert files.truth == {1: 0}
    assert (files.rows, files.repeated, files.conflicting, files.strangers) == (3, 0, 0, 0)
    assert not files.ignored
    assert not files.has_durations


def test_read__columns_in_any_order_with_bom_crlf_and_blank_lines__is_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "other").mkdir()
    plain = read(tmp_path / "plain")
    other = b"\xef\xbb\xbflabel,task,worker\r\nyes,t1,w1\r\n\r\nno,t1,w2\r\nno,t2,w1\r\n"
    found = read(tmp_path / "other", other)
    assert (found.tasks, found.workers, found.classes) == (
        plain.tasks,
        plain.workers,
        plain.classes,
    )
    assert found.labels == plain.labels


def test_read__any_text__is_a_text(tmp_path: Path) -> None:
    texts = ["../../etc/passwd", "<b>&", "日本語 🙂", "=1+1", 'say "x"', "a,b", "two\nlines", " s "]
    rows = "".join(
        f'"{text.replace(chr(34), chr(34) * 2)}",w{number},"{text.replace(chr(34), chr(34) * 2)}"\n'
        for number, text in enumerate(texts)
    )
    files = read(tmp_path, "task,worker,label\n" + rows)
    assert files.tasks == tuple(texts)
    assert files.classes == tuple(sorted(texts))


def test_read__other_columns__are_named_and_ignored(tmp_path: Path) -> None:
    files = read(
        tmp_path,
        "left,task,worker,label,right\n1,t1,w1,a,2\n1,t1,w2,b,2\n",
        truth="task,label,by\nt1,a,me\n",
    )
    assert files.ignored == {"labels.csv": ("left", "right"), "truth.csv": ("by",)}
    assert len(files.labels) == 2


def test_read__durations__are_milliseconds_where_given(tmp_path: Path) -> None:
    files = read(
        tmp_path, "task,worker,label,duration_s\nt,w1,a,1.5\nt,w2,b,\nt,w3,a,20\nt,w4,a,1e1\n"
    )
    assert [one.milliseconds for one in files.labels] == [1500, None, 20_000, 10_000]
    assert files.has_durations
    for text in ("-1", "nan", "inf", "soon", "1e99"):
        with pytest.raises(InputError, match=r"line 2: duration_s is .*write seconds from 0"):
            read(tmp_path, f"task,worker,label,duration_s\nt,w1,a,{text}\n")


# -- duplicates ------------------------------------------------------------------------------------


def test_read__the_same_again__first_stays_and_is_counted(tmp_path: Path) -> None:
    rows = LABELS + "t1,w1,yes\nt1,w1,yes\n"
    for rule in ("first", "last", "error"):
        files = read(tmp_path, rows, on_duplicate=rule)
        assert (len(files.labels), files.repeated, files.conflicting) == (3, 2, 0)


def test_read__conflicts__follow_the_rule(tmp_path: Path) -> None:
    rows = LABELS + "t1,w1,no\nt1,w1,no\n"
    first, last = (read(tmp_path, rows, on_duplicate=rule) for rule in ("first", "last"))
    assert (first.labels[0].klass, first.repeated, first.conflicting) == (1, 0, 2)
    # The second "no" repeats what counts by then.
    assert (last.labels[0].klass, last.repeated, last.conflicting) == (0, 1, 1)
    with pytest.raises(InputError, match=r"line 5: an earlier row .*--on-duplicate first or last"):
        read(tmp_path, rows, on_duplicate="error")
    with pytest.raises(InputError, match="use one of first, last, error"):
        read(tmp_path, rows, on_duplicate="newest")


def test_read__truth__follows_the_rule_too_and_strangers_are_counted(tmp_path: Path) -> None:
    truth = "task,label\nt1,yes\nt1,yes\nt1,no\nelsewhere,odd\n"
    files = read(tmp_path, truth=truth)
    assert files.truth == {0: files.classes.index("yes")}
    assert (files.repeated, files.conflicting, files.strangers) == (1, 1, 1)
    assert "odd" not in files.classes
    with pytest.raises(InputError, match=r"truth\.csv, line 4"):
        read(tmp_path, truth=truth, on_duplicate="error")


def test_digest__follows_every_byte_of_both_files(tmp_path: Path) -> None:
    digests = [
        read(tmp_path).digest,
        read(tmp_path, LABELS + "\n").digest,
        read(tmp_path, truth="task,label\nt1,yes\n").digest,
        read(tmp_path, truth="task,label\nt1,no\n").digest,
    ]
    assert len(set(digests)) == 4
    assert read(tmp_path, truth="task,label\nt1,no\n").digest == digests[3]


# -- hostile files ---------------------------------------------------------------------------------

BIG = "x" * 2_000_000
HOSTILE = {
    "nothing": (b"", r"labels\.csv is empty: begin with the header task,worker,label"),
    "only a header": (b"task,worker,label\n", r"has no labels: write a row"),
    "no header": (b"t1,w1,yes\n", r"line 1: the header lacks task, worker, label"),
    "a column missing": (b"task,label\nt1,a\n", r"line 1: the header lacks worker"),
    "a column twice": (b"task,worker,label,label\n", r"line 1: the header names label twice"),
    "a NUL": (b"task,worker,label\nt1,w1,a\0b\n", r"line 2: holds a NUL byte"),
    "broken UTF-8": (b"task,worker,label\nt1,w1,\xff\n", r"line 2: not UTF-8 at byte 7"),
    "UTF-16": ("task,worker,label\n".encode("utf-16"), r"line 1: (holds a NUL|not UTF-8)"),
    "a surrogate": (b"task,worker,label\nt,w,\xed\xa0\x80\n", r"line 2: not UTF-8"),
    "a huge label": (
        f"task,worker,label\nt1,w1,{BIG}\n".encode(),
        r"line 2: longer than 1048576 bytes",
    ),
    "a large label": (
        f"task,worker,label\nt1,w1,{'x' * 200_000}\n".encode(),
        r"line 2: not a CSV row .*no text of more than 1000 characters",
    ),
    "a long label": (
        f"task,worker,label\nt1,w1,{'é' * 1001}\n".encode(),
        r"line 2: the label has 1001 characters, at most 1000",
    ),
    "a long task": (f"task,worker,label\n{'t' * 1001},w1,a\n".encode(), r"the task has 1001"),
    "an empty worker": (b"task,worker,label\nt1,,a\n", r"line 2: the worker is empty"),
    "a short row": (b"task,worker,label\nt1,w1\n", r"line 2: 2 cells where .* 3 columns"),
    "a long row": (b"task,worker,label\nt1,w1,a,b\n", r"line 2: 4 cells where .* 3 columns"),
    "an open quote": (b'task,worker,label\nt1,w1,"a\nt1,w2,b\n', r"line 2: not a CSV row"),
    "an open quote, long": (
        b'task,worker,label\nt1,w1,"a\n' + b"t1,w2,b\n" * 50_000,
        r"line 2: not a CSV row",
    ),
    "bare returns": (b"task,worker,label\rt1,w1,a\r", r"not a CSV row"),
    "one class": (b"task,worker,label\nt1,w1,a\nt2,w1,a\n", r"one class there is nothing to ask"),
    "free text": (
        b"task,worker,label\n" + b"".join(b"t%d,w,l%d\n" % (n, n) for n in range(257)),
        r"line 258: more than 256 different labels: .*map numbers or free text to classes",
    ),
    "long classes": (
        b"task,worker,label\n"
        + b"".join(b"t%d,w,%s%03d\n" % (n, "é".encode() * 990, n) for n in range(200)),
        r"the 200 classes have 396600 bytes together",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_read__hostile_file__is_refused_with_place_and_remedy(name: str, tmp_path: Path) -> None:
    data, message = HOSTILE[name]
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, data)
    assert ": " in str(caught.value)
    assert len(str(caught.value)) < 1_000  # nobody's terminal is flooded
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv"]


def test_read__label_of_a_thousand_characters__is_taken(tmp_path: Path) -> None:
    label = "🙂" * 1_000
    assert label in read(tmp_path, LABELS + f"t2,w2,{label}\n").classes


def test_read__what_is_no_plain_file_inside_the_folder__is_refused(tmp_path: Path) -> None:
    folder, secret = tmp_path / "data", tmp_path / "secret.csv"
    secret.write_text(LABELS)
    with pytest.raises(InputError, match="is no folder: name the one that holds"):
        read_label_files(folder)
    folder.mkdir()
    path = folder / "labels.csv"
    with pytest.raises(InputError, match=r"can't be read .*put a CSV file of that name there"):
        read_label_files(folder)
    path.symlink_to(secret)
    with pytest.raises(InputError, match="leads out of"):
        read_label_files(folder)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(InputError, match="can't be read"):
        read_label_files(folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="is no plain file"):
        read_label_files(folder)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(InputError, match="is no plain file"):
        read_label_files(folder)
    path.unlink()
    (folder / "real.csv").write_text(LABELS)
    path.symlink_to("real.csv")
    assert len(read_label_files(folder).labels) == 3
    (folder / "truth.csv").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"truth\.csv can't be read"):
        read_label_files(folder)


@pytest.mark.parametrize("kind", ["one line", "large rows", "blank lines"])
def test_read__larger_than_memory__is_refused_in_bounded_memory(kind: str, tmp_path: Path) -> None:
    with (tmp_path / "labels.csv").open("wb") as file:
        file.write(b"task,worker,label\n")
        if kind == "one line":
            file.truncate(4 << 30)  # sparse: the disk holds almost nothing of it
        elif kind == "large rows":
            row = b"t,w," + b"x" * 1_000 + b"\n"
            file.write(row * (MAX_FILE // len(row) + 1))
        else:
            file.write(b"\n" * (2 * MAX_ROWS + 1))
    script = (
        "import sys; from pathlib import Path\n"
        "from oracle.errors import InputError\n"
        "from oracle.replay.label_files import read_label_files\n"
        "try: read_label_files(Path(sys.argv[1]))\n"
        "except InputError as error: print(error)\n"
    )
    limit = 1 << 30

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        preexec_fn=bound,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    wanted = "line 2: longer than" if kind == "one line" else "is over 256 MiB or 4000000 lines"
    assert wanted in done.stdout
