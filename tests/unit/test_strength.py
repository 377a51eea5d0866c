"""Which keys are refused, and that no message shows any of one."""

import secrets

import pytest

from xteam_infra.settings.strength import weakness

WEAK = {
    "short": "pZ7wQm4Lx0Vd9TgYb2NcRk5HsJf8UaE",
    "one character": "a" * 64,
    "a part again and again": "pZ7wQm4L" * 8,
    "few different characters": "aabbccddabcabdacdbcdaacbdabbadcbcdaab",
    "a placeholder": "please-change-me-before-production-1234",
    "a documented default": "django-insecure-pZ7wQm4Lx0Vd9TgYb2NcRk5H",
}


@pytest.mark.parametrize("key", WEAK.values(), ids=WEAK)
def test_weak_keys_are_refused_without_showing_them(key):
    said = weakness(key)
    assert said and key[:6] not in said


def test_generated_keys_are_accepted():
    assert not [key for key in (secrets.token_urlsafe(48) for _ in range(500)) if weakness(key)]
