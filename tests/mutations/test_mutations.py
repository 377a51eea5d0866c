"""Every check must be able to fail: each mutation turns exactly its items red, and the ordinary deploy heals it."""

from checklist.run import not_applicable


def test_mutation(mutation, mutator, hosts):
    if len(hosts.group(mutation.group)) < mutation.min_hosts:
        not_applicable(f"the inventory has fewer than {mutation.min_hosts} hosts in group {mutation.group}")
    result = mutator.run(mutation)
    assert result.good, result.explanation
