"""What all hosts of a run share is decided once."""

import gevent
import pytest

from xteam_infra.engine.once import OncePer


class Owner:
    pass


def test_hosts_that_are_planned_in_parallel_share_one_value():
    values, asked, owner = OncePer(), [], Owner()

    def decide():
        asked.append(1)
        gevent.sleep(0.01)
        return len(asked)

    found = [gevent.spawn(values.ask, owner, decide) for _ in range(5)]
    gevent.joinall(found, raise_error=True)
    assert [one.value for one in found] == [1] * 5 and len(asked) == 1


def test_each_owner_has_its_own_value_and_keeps_it():
    values, first, second = OncePer(), Owner(), Owner()
    assert values.get(first) is None
    assert (values.ask(first, lambda: "a"), values.ask(second, lambda: "b")) == ("a", "b")
    assert values.ask(first, lambda: "c") == values.get(first) == "a"
    values.clear()
    assert values.get(first) is None


def test_a_new_owner_never_gets_the_value_of_one_that_is_gone():
    values = OncePer()
    for number in range(1000):
        assert values.ask(Owner(), lambda number=number: number) == number


def test_what_could_not_be_decided_is_asked_again():
    values, owner = OncePer(), Owner()
    with pytest.raises(ValueError):
        values.ask(owner, lambda: int("none"))
    assert values.ask(owner, lambda: 1) == 1
