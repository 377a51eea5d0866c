"""The mutations' files: what is refused, and that the project's own say what exists."""

import re
from pathlib import Path

import pytest

from checklist import catalogue
from checklist.mutate import _outcome, files_of
from checklist.mutations import MutationError, load
from checklist.rerun import RerunError

ROOT = Path(__file__).parents[2]
ENTRY = "- {id: a, group: redis, break: 'true', expect: [RED-03], expected_operations: [Write]}\n"


def test_the_projects_mutations_expect_what_exists():
    known = set(catalogue.load())
    for mutation in load(ROOT / "tests/mutations"):
        text = "".join(path.read_text() for path in files_of(mutation.checks))
        checks = re.findall(r"^def (test_\w+)", text, re.M)
        assert mutation.expect <= known | set(checks), f"{mutation.layer}/{mutation.id}"
        assert (ROOT / f"deploys/{mutation.layer}.py").exists(), mutation.layer


def test_the_documents_example_is_a_mutation(tmp_path):
    """Its fields have the names that are read, and the operation it expects is there."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/operations/verification.md").read_text(), re.S)
    example, refused = (block for block in blocks if "expected_operations" in block or "refused:" in block)
    other = "\n".join(line for line in example.splitlines() if "expected_operations" not in line)
    (tmp_path / "redis.yml").write_text(example)
    (one,) = load(tmp_path)
    (tmp_path / "redis.yml").write_text(f"{other}\n{refused}")
    assert load(tmp_path)[0].refused
    assert f'name="{one.expected_operations[0]}"' in (ROOT / "deploys/redis.py").read_text()


def test_the_layer_is_the_files_name(tmp_path):
    (tmp_path / "redis.yml").write_text(ENTRY)
    assert [(mutation.layer, mutation.checks) for mutation in load(tmp_path)] == [("redis", "redis")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ENTRY * 2, "more than one mutation is called a"),
        (ENTRY.replace("[RED-03]", "[]"), "expect"),
        (ENTRY.replace("[Write]", "[]"), "expected_operations"),
        (ENTRY.replace("}", ", refused: x, undo: 'true'}"), "either"),
        (ENTRY.replace("expected_operations: [Write]", "refused: x"), "either"),
        (ENTRY.replace("group", "groop"), "groop"),
        ("words", "redis.yml"),
    ],
)
def test_what_is_refused(tmp_path, text, said):
    (tmp_path / "redis.yml").write_text(text)
    with pytest.raises(MutationError, match=re.escape(said)):
        load(tmp_path)


def test_a_layers_checks_may_be_in_several_files():
    assert [path.name for path in files_of("etcd")] == ["test_etcd.py"]
    assert len(files_of("app")) > 1
    with pytest.raises(RerunError, match=r"no tests/hosts/test_rediss\.py"):
        files_of("rediss")


def test_outcomes():
    expect = frozenset({"RED-03"})
    assert _outcome({"RED-03"}, expect) == "detected"
    assert _outcome({"RED-03", "RED-04"}, expect) == "imprecise"
    assert _outcome({"RED-04"}, expect) == "imprecise"
    assert _outcome(set(), expect) == "missed"
