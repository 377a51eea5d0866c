"""Where the public certificate comes from: one source, and whole."""

import pytest

from xteam_infra.plan.compose import plans

DIRECTORY = "https://acme.test/directory"


def acme(**unlike):
    return {"edge_acme_directory": DIRECTORY, "edge_acme_email": "ops@xteam.test", **unlike}


def test_a_certificate_by_acme_brings_what_it_needs(declaration):
    declaration.own |= acme()
    plan = plans(declaration.read())["solo1"]
    assert "certbot" in plan.packages and "certbot.timer" in plan.units
    (challenges,) = [listen for listen in plan.listens if listen.port == 8088]
    assert challenges.sources == ("edge",)


def test_without_it_there_is_no_certbot(declaration):
    plan = plans(declaration.read())["solo1"]
    assert "certbot" not in plan.packages and "certbot.timer" not in plan.units


@pytest.mark.parametrize(
    ("unlike", "key", "allowed"),
    [
        ({"edge_acme_directory": "http://acme.test/directory"}, "edge_acme_directory", "begins with https://"),
        ({"edge_acme_directory": "https://acme.test/'; id"}, "edge_acme_directory", "begins with https://"),
        ({"edge_acme_email": None}, "edge_acme_email", "a mail address"),
        ({"edge_acme_email": "ops"}, "edge_acme_email", "a mail address"),
        ({"edge_acme_ca": "nowhere.pem"}, "edge_acme_ca", "a PEM file on the controller"),
        ({"ssl_certfile": "a.pem", "ssl_keyfile": "b.pem"}, "ssl_certfile", "one source"),
    ],
)
def test_what_can_not_be_asked_for(declaration, unlike, key, allowed):
    declaration.own |= acme(**unlike)
    assert allowed in declaration.problems()[key]
