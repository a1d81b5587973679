"""Float estimators with the API of Toloka's crowd-kit: change the import, keep the code.

They advise, compare and explore; no payment rests on them (that is `oracle.consensus`). They take a
DataFrame `task, worker, label` and need pandas and scipy: `pip install 'ddlp[estimators]'`.
"""

try:
    import pandas  # noqa: F401
    import scipy  # noqa: F401
except ImportError as error:
    from oracle.errors import InputError

    raise InputError("the estimators need pandas and scipy: pip install 'ddlp[estimators]'") from (
        error
    )

from oracle.consensus.estimators.base import Estimator
from oracle.consensus.estimators.dawid_skene import DawidSkene, OneCoinDawidSkene
from oracle.consensus.estimators.exact import Exact, ExactDawidSkene
from oracle.consensus.estimators.glad import GLAD
from oracle.consensus.estimators.kos import KOS
from oracle.consensus.estimators.mace import MACE
from oracle.consensus.estimators.mmsr import MMSR
from oracle.consensus.estimators.votes import (
    GoldMajorityVote,
    MajorityVote,
    Wawa,
    ZeroBasedSkill,
)

__all__ = [
    "GLAD",
    "KOS",
    "MACE",
    "MMSR",
    "DawidSkene",
    "Estimator",
    "Exact",
    "ExactDawidSkene",
    "GoldMajorityVote",
    "MajorityVote",
    "OneCoinDawidSkene",
    "Wawa",
    "ZeroBasedSkill",
]
