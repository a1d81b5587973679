"""Freed arrays go back to the system."""

from __future__ import annotations

import ctypes

LARGE = 1 << 20
_M_MMAP_THRESHOLD = -3  # malloc.h of glibc


def give_back_large_arrays() -> None:
    """Have the C library map arrays of 1 MiB and more by themselves, and unmap them when freed.

    glibc raises that bound to the largest array it has seen freed; from then on such arrays leave
    holes, and a process of many passes grows although it holds no more. Elsewhere this does
    nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE)
