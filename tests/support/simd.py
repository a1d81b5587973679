"""Numpy with its SIMD kernels switched off, whatever this version calls them."""

from __future__ import annotations

import os

import numpy as np

if int(np.__version__.split(".")[0]) >= 2:
    from numpy._core import _multiarray_umath as umath
else:
    from numpy.core import _multiarray_umath as umath


def dispatched_features() -> list[str]:
    """Features numpy picks kernels by at run time that are on in this process (AVX2, X86_V3, …)."""
    return [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name)]


def environment_without_simd() -> dict[str, str]:
    """This process's environment, with all that numpy can switch off switched off."""
    return os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(dispatched_features())}
