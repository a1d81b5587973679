"""Run one command and end it when the process that asked for it is gone; a program of its own,
standard library only.

`python devnet_guard.py COMMAND…` is started by `oracle.chain.devnet` with a pipe as its input. The
pipe closes when the parent dies for whatever reason, SIGKILL included, and also from a parent's
thread that ended, which PR_SET_PDEATHSIG alone gets wrong. The command carries PR_SET_PDEATHSIG
itself (Linux), so it dies with the guard too.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.2
TERM_SECONDS = 3.0


def _die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when its parent ends; elsewhere the guard's pipe is the only
    leash.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the request was made
            os._exit(1)


def main(command: list[str]) -> int:
    """Run `command` until it ends or the pipe on standard input closes; return its exit status."""
    # Ctrl-C in a terminal reaches every process of its group: the parent must be able to ask for a
    # last checkpoint.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parent, guard = os.getppid(), os.getpid()
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: _die_with_parent(guard),  # noqa: PLW1509 - this program has one thread
    )
    try:
        while child.poll() is None and os.getppid() == parent:
            readable, _, _ = select.select([sys.stdin], [], [], POLL_SECONDS)
            if readable and not os.read(sys.stdin.fileno(), 1):
                break
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(TERM_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
