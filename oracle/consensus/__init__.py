"""Truth inference: exact integer methods that decide money."""

from oracle.consensus.auto import auto
from oracle.consensus.bayesian_dawid_skene import bayesian_dawid_skene
from oracle.consensus.closing import Closing, closes, item_posterior
from oracle.consensus.dawid_skene import dawid_skene, dawid_skene_in_chunks
from oracle.consensus.fixed import PPM, exp_fixed, log_fixed, shares_ppm, softmax_ppm
from oracle.consensus.leave_one_out import leave_one_out
from oracle.consensus.majority_vote import majority_vote
from oracle.consensus.methods import METHODS, Method
from oracle.consensus.one_coin import one_coin
from oracle.consensus.result import Consensus
from oracle.consensus.skills import Hierarchical, OneCoin, SkillPrior
from oracle.consensus.weighted_majority import weighted_majority

__all__ = [
    "METHODS",
    "PPM",
    "Closing",
    "Consensus",
    "Hierarchical",
    "Method",
    "OneCoin",
    "SkillPrior",
    "auto",
    "bayesian_dawid_skene",
    "closes",
    "dawid_skene",
    "dawid_skene_in_chunks",
    "exp_fixed",
    "item_posterior",
    "leave_one_out",
    "log_fixed",
    "majority_vote",
    "one_coin",
    "shares_ppm",
    "softmax_ppm",
    "weighted_majority",
]
