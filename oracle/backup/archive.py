"""The file of a backup: named members in one stream, sealed with a passphrase or plain.

A first line says what follows: a tar archive and its SHA-256, or the archive in chunks that
libsodium's secretstream (XChaCha20-Poly1305) seals under a key derived by Argon2id (RFC 9106).
Either way a reader who comes to the end knows that every byte is as written; the archive's last
member is an index. Whoever restores goes through the whole once, and only then takes anything.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from nacl import pwhash, utils
from nacl.bindings import crypto_secretstream_xchacha20poly1305_ABYTES as OVERHEAD
from nacl.bindings import crypto_secretstream_xchacha20poly1305_HEADERBYTES as HEADER
from nacl.bindings import crypto_secretstream_xchacha20poly1305_init_pull as init_pull
from nacl.bindings import crypto_secretstream_xchacha20poly1305_init_push as init_push
from nacl.bindings import crypto_secretstream_xchacha20poly1305_pull as pull
from nacl.bindings import crypto_secretstream_xchacha20poly1305_push as push
from nacl.bindings import crypto_secretstream_xchacha20poly1305_state as StreamState
from nacl.bindings import crypto_secretstream_xchacha20poly1305_TAG_FINAL as FINAL
from nacl.bindings import crypto_secretstream_xchacha20poly1305_TAG_MESSAGE as MESSAGE

from oracle.errors import InputError

VERSION = 1
INDEX = "index.json"
PLAIN = f"ddlp-backup {VERSION} plain\n".encode()
SEALED = f"ddlp-backup {VERSION} sealed\n".encode()
CHUNK = 65_536
MAX_MEMBER = 64 * 2**20  # what a reader takes into memory at once
SALT = pwhash.argon2id.SALTBYTES
DAMAGED = "the backup is damaged, or was cut short: use another one"


class Writer:
    """Adds members to a backup; `finish` writes the index."""

    def __init__(self, sink: _Hashing | _Sealing) -> None:
        self._tar = tarfile.TarFile.open(  # type: ignore[call-overload]  # `sink` only writes
            fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT
        )

    def add(self, name: str, data: bytes) -> None:
        """Add a member of at most 64 MiB."""
        if len(data) > MAX_MEMBER:
            raise InputError(f"{name} is over 64 MiB, which no backup takes: move it elsewhere")
        # Without times and owners, the same state gives the same archive.
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o600
        self._tar.addfile(member, io.BytesIO(data))

    def finish(self, index: dict[str, Any]) -> None:
        """Write the index, and end the archive."""
        self.add(INDEX, json.dumps(index, indent=1).encode())
        self._tar.close()


@contextmanager
def create(path: Path, passphrase: bytes | None) -> Iterator[Writer]:
    """Write a backup to `path`, readable by the owner alone; it is there whole or not at all.

    InputError where `path` exists or can't be written.
    """
    if path.exists():
        raise InputError(f"{path} exists: name a new file")
    partial = path.with_name(f".{path.name}.partial")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            sink = _Hashing(file) if passphrase is None else _Sealing(file, passphrase)
            yield Writer(sink)
            sink.end()
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)  # unlike a rename, never over a file that appeared meanwhile
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        raise InputError(
            f"the backup can't be written to {path} ({error.strerror}): name a place with room"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def check(path: Path, passphrase: bytes | None) -> tuple[dict[str, Any], list[str]]:
    """Read a backup to its end; return its index and the names of its members.

    InputError where anything was altered, is missing, or the passphrase is another.
    """
    names: list[str] = []
    last = b""
    for name, data in read_members(path, passphrase):
        names.append(name)
        last = data
    if len(set(names)) != len(names) or not names or names.pop() != INDEX:
        raise InputError(DAMAGED)
    return json.loads(last), names


def read_members(path: Path, passphrase: bytes | None) -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes of a backup's members, in order; InputError as `read_index`."""
    try:
        with path.open("rb") as file:
            source = _open_stream(file, passphrase)
            with tarfile.open(fileobj=source, mode="r|") as tar:  # type: ignore[call-overload]
                for member in tar:
                    if not member.isreg() or member.size > MAX_MEMBER:
                        raise InputError(DAMAGED)
                    content = tar.extractfile(member)
                    assert content is not None  # regular, as was checked
                    yield member.name, content.read()
            while source.read(CHUNK):
                pass  # only at its very end it is known to be whole
    except (tarfile.TarError, EOFError) as error:
        raise InputError(DAMAGED) from error
    except OSError as error:
        raise InputError(f"the backup {path} can't be read ({error.strerror})") from error


def _open_stream(file: IO[bytes], passphrase: bytes | None) -> _Checking | _Unsealing:
    kind = file.readline(64)
    if kind == PLAIN:
        if passphrase is not None:
            raise InputError("the backup isn't sealed: give no passphrase")
        return _Checking(file)
    if kind == SEALED:
        if passphrase is None:
            raise InputError("the backup is sealed: give its passphrase by --passphrase-file")
        return _Unsealing(file, passphrase)
    raise InputError("the file is no backup of this version of ddlp")


class _Hashing:
    """Writes what it is given, and in the end its SHA-256."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash = file, hashlib.sha256()
        file.write(PLAIN)

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def end(self) -> None:
        self._file.write(self._hash.digest())


class _Checking:
    """Reads what `_Hashing` wrote; the last 32 bytes must be the hash of those before."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash = file, hashlib.sha256()
        self._tail = file.read(self._hash.digest_size)

    def read(self, size: int) -> bytes:
        held = self._tail + self._file.read(size)
        part, self._tail = held[: -self._hash.digest_size], held[-self._hash.digest_size :]
        self._hash.update(part)
        if not part and self._tail != self._hash.digest():
            raise InputError(DAMAGED)
        return part


@lru_cache(maxsize=1)  # a restore reads the file several times
def _derive_key(passphrase: bytes, salt: bytes) -> bytes:
    key: bytes = pwhash.argon2id.kdf(
        32,
        passphrase,
        salt,
        opslimit=pwhash.argon2id.OPSLIMIT_MODERATE,
        memlimit=pwhash.argon2id.MEMLIMIT_MODERATE,
    )
    return key


class _Sealing:
    """Seals what is written to it, chunk by chunk."""

    def __init__(self, file: IO[bytes], passphrase: bytes) -> None:
        salt = utils.random(SALT)
        self._file, self._state, self._buffer = file, StreamState(), bytearray()
        file.write(SEALED + salt + init_push(self._state, _derive_key(passphrase, salt)))

    def write(self, data: bytes) -> int:
        self._buffer += data
        while len(self._buffer) > CHUNK:
            self._file.write(push(self._state, bytes(self._buffer[:CHUNK]), tag=MESSAGE))
            del self._buffer[:CHUNK]
        return len(data)

    def end(self) -> None:
        self._file.write(push(self._state, bytes(self._buffer), tag=FINAL))


class _Unsealing:
    """Reads what `_Sealing` wrote; the last chunk must be the one that was sealed as the last."""

    def __init__(self, file: IO[bytes], passphrase: bytes) -> None:
        start = file.read(SALT + HEADER)
        if len(start) != SALT + HEADER:
            raise InputError(DAMAGED)
        self._file, self._state, self._buffer = file, StreamState(), bytearray()
        self._first, self._ended = True, False
        init_pull(self._state, start[SALT:], _derive_key(passphrase, start[:SALT]))

    def read(self, size: int) -> bytes:
        while len(self._buffer) < size and not self._ended:
            sealed = self._file.read(CHUNK + OVERHEAD)
            try:
                plain, tag = pull(self._state, sealed)
            except Exception as error:  # PyNaCl raises RuntimeError, ValueError and TypeError
                wrong = "the passphrase is another one, or " if self._first else ""
                raise InputError(wrong + DAMAGED) from error
            self._first, self._ended = False, tag == FINAL
            self._buffer += plain
        part = bytes(self._buffer[:size])
        del self._buffer[:size]
        if not part and self._file.read(1):
            raise InputError(DAMAGED)
        return part
