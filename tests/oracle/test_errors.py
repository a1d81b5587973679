"""One root, one class per cause; errors cross process borders whole."""

import inspect
import pickle

import pytest

from oracle import errors

CLASSES = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if value is not errors.DDLPError
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_error__any_class__descends_from_the_root_and_says_its_cause(cls: type) -> None:
    assert issubclass(cls, errors.DDLPError)
    assert cls.__doc__
    assert cls.__doc__.splitlines()[0].endswith((".", ";"))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.ChainError("no answer: start the chain"), "no answer: start the chain"),
        (
            errors.ProtocolFault(
                "sequence", "log 7", "an earlier submission has the same sequence"
            ),
            "sequence at log 7: an earlier submission has the same sequence",
        ),
        (
            errors.GatewayRefusal("lease-expired", "the lease has lapsed: ask for a new one"),
            "lease-expired: the lease has lapsed: ask for a new one",
        ),
    ],
)
def test_error__pickled__keeps_text_and_attributes(error: errors.DDLPError, text: str) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error) == text
    assert vars(copy) == vars(error)
