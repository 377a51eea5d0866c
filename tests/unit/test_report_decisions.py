"""Waivers and attestations: what is refused, and for which inventory they hold."""

import pytest

from checklist import catalogue, decisions

KNOWN = set(catalogue.load())
WAIVER = """
- id: INF-08
  decision: waived
  reason: served elsewhere
  owner: jane@example.com
  date: 2026-01-31
  until: 2026-07-31
  evidence: https://tickets.example.com/OPS-17
"""
ATTESTATION = """
- id: LAW-01
  decision: reviewed
  owner: dpo@example.com
  date: 2026-01-31
  until: 2027-01-31
  evidence: https://wiki.example.com/privacy
"""


def load(tmp_path, waivers="[]", attestations="[]", inventory="prod"):
    paths = []
    for name, text in (("waivers.yml", waivers), ("attestations.yml", attestations)):
        paths.append(tmp_path / name)
        paths[-1].write_text(text)
    return decisions.load(KNOWN, inventory, *paths)


def test_the_shipped_files_are_valid():
    decisions.load(KNOWN, "lab")


def test_decisions_are_read(tmp_path):
    found = load(tmp_path, WAIVER, ATTESTATION)
    assert found["INF-08"].kind == "waived"
    assert found["LAW-01"].kind == "attested"
    assert found["LAW-01"].reason == "reviewed"


def test_they_hold_for_the_inventories_they_name(tmp_path):
    waiver = WAIVER + "  inventories: [staging]\n"
    assert load(tmp_path, waiver, inventory="staging").keys() == {"INF-08"}
    assert not load(tmp_path, waiver, inventory="prod")


@pytest.mark.parametrize(
    ("waivers", "said"),
    [
        (WAIVER.replace("INF-08", "INF-99"), "no item 'INF-99'"),
        (WAIVER.replace("  owner: jane@example.com\n", ""), "owner"),
        (WAIVER.replace("served elsewhere", "' '"), "reason"),
        (WAIVER.replace("waived", "ignored"), "decision"),
        (WAIVER.replace("2026-07-31", "2025-07-31"), "is before date"),
        (WAIVER.replace("2026-07-31", "soon"), "until"),
        (WAIVER + "  until_when: never\n", "until_when"),
        (WAIVER * 2, "second decision about INF-08"),
        ("- [", "is not YAML"),
        ("just words", "list"),
    ],
)
def test_what_is_refused_says_why(tmp_path, waivers, said):
    with pytest.raises(decisions.DecisionError, match=r"waivers\.yml") as error:
        load(tmp_path, waivers)
    assert said in str(error.value)


def test_waiver_and_attestation_of_one_item_contradict(tmp_path):
    with pytest.raises(decisions.DecisionError, match="second decision about LAW-01"):
        load(tmp_path, WAIVER.replace("INF-08", "LAW-01"), ATTESTATION)


def test_a_missing_file_says_what_will_do(tmp_path):
    with pytest.raises(decisions.DecisionError, match="empty list"):
        decisions.load(KNOWN, "prod", tmp_path / "waivers.yml", tmp_path / "attestations.yml")
