"""Which dead letters are meant: what --data leaves open or garbles is refused before any worker is asked."""

import pytest

from xteam_infra.layers.celery.dead_letters import unclear


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        ({}, None),
        ({"dead_letters": "replay", "ids": "all"}, None),
        ({"dead_letters": "purge", "ids": "a1-b2,c3", "task": "xteam.mail"}, None),
        ({"dead_letters": "replay"}, "ids"),
        ({"dead_letters": "purge", "task": "xteam.mail"}, "ids"),
        ({"dead_letters": "replay", "ids": "a1,,b2"}, "ids"),
        ({"dead_letters": "replay", "ids": "--all"}, "ids"),
        ({"dead_letters": "purge", "ids": "a1; reboot"}, "ids"),
        ({"dead_letters": "purge", "ids": "all", "task": "--help"}, "task"),
        ({"ids": "a1"}, "ids, task"),
    ],
)
def test_what_is_meant(declaration, data, refused):
    declaration.own.update(data)
    assert [problem.key for problem in unclear(declaration.read())] == ([refused] if refused else [])


def test_another_action_is_refused(declaration):
    declaration.own["dead_letters"] = "burn"
    assert "'list', 'replay' or 'purge'" in declaration.problems()["dead_letters"]


def test_an_estate_without_workers_has_none(ha):
    ha.hosts = {name: tuple(group for group in groups if group != "worker") for name, groups in ha.hosts.items()}
    assert [problem.key for problem in unclear(ha.read())] == ["worker"]
