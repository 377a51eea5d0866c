"""Every setting is explained where users look: in group_data/ beside its value, and in docs/reference/settings.md."""

import re

import pytest
from conftest import PROJECT, shipped

from xteam_infra.reference.settings_page import PATH, document
from xteam_infra.settings import BY_LAYER, MODELS

LAYERS = list(BY_LAYER)


def test_the_page_is_what_the_models_say():
    assert PATH.read_text() == document(), "run python -m xteam_infra.reference.settings_page"


@pytest.mark.parametrize("model", MODELS, ids=LAYERS)
def test_every_setting_says_what_it_is_for(model):
    silent = [name for name, field in model.model_fields.items() if not (field.description or "").strip()]
    assert not silent, f"without docstring: {silent}"


def text_of(layer):
    return (PROJECT / "group_data" / f"{layer}.py").read_text()


@pytest.mark.parametrize("layer", LAYERS)
def test_shipped_values_are_explained(layer):
    """A comment above each value, or above the group of values it belongs to."""
    paragraphs = re.split(r"\n\s*\n", text_of(layer))
    bare = [p for p in paragraphs if re.match(r"^[A-Za-z_]+ = ", p) and "#" not in p]
    assert not bare, f"without a comment: {bare}"


@pytest.mark.parametrize("layer", LAYERS)
def test_users_find_every_setting_in_group_data(layer):
    """As a value or, for what is rarely changed, at least by name in a comment. Secrets are found in the store, and
    what is said to one run alone in that deploy's file."""
    text, fields = text_of(layer), BY_LAYER[layer].model_fields
    public = [key for key, field in fields.items() if "Secret" not in str(field.annotation) and not field.exclude]
    hidden = [key for key in public if not re.search(rf"\b{key}\b", text)]
    assert not hidden, f"group_data/{layer}.py does not mention {hidden}"


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if layer != "all"])
def test_shipped_values_are_the_defaults(layer):
    """Whoever deletes a line from group_data/ must not get another installation."""
    model = BY_LAYER[layer]
    values = {key: value for key, value in shipped(layer).items() if key in model.model_fields}
    given, default = model(**values), model()
    differing = {key: (value, getattr(default, key)) for key, value in given if value != getattr(default, key)}
    assert not differing, f"group_data/{layer}.py differs from the defaults: {differing}"


@pytest.mark.parametrize("name", ["prod", "staging", "small"])
def test_inventories_set_known_keys(name, declaration):
    """With the placeholders filled in they are accepted."""
    own = {**shipped(name), "domain": "xteam.test", "management_networks": ("192.168.7.1/32",)}
    declaration.own = own | {"secrets_store": f"file:{declaration.store}"}
    assert declaration.read().app.ENVIRONMENT in ("production", "staging")


def test_what_is_said_to_one_run_is_no_declaration():
    """Nothing that is given with --data counts when it is asked whether the declaration has changed."""
    told = re.compile(r"given as --data|For one release: --data|^Only for (deploys|tasks)/")
    fields = [(key, field) for model in MODELS for key, field in model.model_fields.items()]
    assert [key for key, field in fields if bool(told.search(field.description or "")) != bool(field.exclude)] == []
