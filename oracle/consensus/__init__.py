"""Truth inference: exact integer methods that decide money."""

from oracle.consensus.closing import Closing, closes, item_posterior
from oracle.consensus.dawid_skene import dawid_skene
from oracle.consensus.fixed import PPM, exp_fixed, log_fixed, shares_ppm, softmax_ppm
from oracle.consensus.leave_one_out import leave_one_out
from oracle.consensus.majority_vote import majority_vote
from oracle.consensus.result import Consensus
from oracle.consensus.skills import SkillPrior

__all__ = [
    "PPM",
    "Closing",
    "Consensus",
    "SkillPrior",
    "closes",
    "dawid_skene",
    "exp_fixed",
    "item_posterior",
    "leave_one_out",
    "log_fixed",
    "majority_vote",
    "shares_ppm",
    "softmax_ppm",
]
