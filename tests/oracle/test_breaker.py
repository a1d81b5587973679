"""The circuit breaker: when it opens, for how long, and what closes it."""

from oracle.breaker import CircuitBreaker


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def breaker(clock: Hand) -> CircuitBreaker:
    return CircuitBreaker(failures=3, first_pause=10, longest_pause=35, clock=clock)


def test_failed__fewer_than_the_limit__stays_closed() -> None:
    one = breaker(Hand())
    assert [one.failed(), one.failed()] == [False, False]
    assert one.allows()
    assert not one.is_open


def test_failed__at_the_limit__opens_until_the_pause_is_over() -> None:
    clock = Hand()
    one = breaker(clock)
    assert [one.failed() for _ in range(3)] == [False, False, True]
    assert not one.allows()
    assert one.remaining == 10
    clock.time += 9.5
    assert not one.allows()
    clock.time += 0.5
    assert one.allows()
    assert one.is_open  # until something succeeds


def test_failed__again_after_each_pause__waits_twice_as_long_up_to_the_longest() -> None:
    clock = Hand()
    one = breaker(clock)
    one.failed()
    one.failed()
    pauses = []
    for _ in range(4):
        assert one.failed()
        pauses.append(one.remaining)
        clock.time += one.remaining
    assert pauses == [10, 20, 35, 35]


def test_succeeded__after_it_opened__begins_anew() -> None:
    clock = Hand()
    one = breaker(clock)
    for _ in range(3):
        one.failed()
    clock.time += 10
    one.succeeded()
    assert not one.is_open
    assert one.failures == 0
    assert not one.failed()
    assert one.allows()
