"""What all estimators share: parameters as fields, results with a trailing underscore."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import pandas as pd

from oracle.errors import InputError


@dataclass
class Estimator:
    """A method of truth inference. Constructor arguments are its parameters, as in scikit-learn.

    After `fit`: `labels_` (Series by task), `probas_` (DataFrame, tasks by classes, rows sum to 1),
    `converged_` and `n_iter_`; each method adds its own, such as `skills_` (Series by worker).
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments; `deep` is there for scikit-learn and changes nothing."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def set_params(self, **params: Any) -> Self:
        """Set constructor arguments; raises `InputError` for one that doesn't exist."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise InputError(f"{type(self).__name__} has no {name}: it has {', '.join(known)}")
            setattr(self, name, value)
        return self

    def fit(self, data: Any) -> Self:
        """Fit to a DataFrame with the columns `task`, `worker` and `label`; raises `InputError`."""
        raise NotImplementedError

    def fit_predict(self, data: Any, *args: Any, **kwargs: Any) -> pd.Series:
        """`fit`, and the answers: a Series by task, named `agg_label`."""
        self.fit(data, *args, **kwargs)
        return self._fitted("labels_")

    def fit_predict_proba(self, data: Any, *args: Any, **kwargs: Any) -> pd.DataFrame:
        """`fit`, and the probabilities: a DataFrame, a row for each task, a column each class."""
        self.fit(data, *args, **kwargs)
        return self._fitted("probas_")

    def _fitted(self, name: str) -> Any:
        if not hasattr(self, name):
            raise InputError(f"{type(self).__name__} is not fitted: call fit first")
        return getattr(self, name)
