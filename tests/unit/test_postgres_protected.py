"""What the application may not write: declared by name, and asked of the database in its own words."""

import pytest

from xteam_infra.layers.postgres.rights import goals


def named(declaration):
    return {goal.name: goal for goal in goals(declaration.read().postgres)}


def test_declared_tables_and_columns_are_in_the_rules(declaration):
    declaration.own |= {
        "postgres_append_only_tables": ("ledger", "audit"), "postgres_owner_columns": {"people": ("is_admin", "role")},
    }  # fmt: skip
    found = named(declaration)
    rules = found["rules for protected tables"].apply_sql
    assert "ARRAY['ledger', 'audit']" in rules and "GRANT SELECT, INSERT ON %s TO xteam" in rules
    assert "ARRAY['people']" in rules and "ARRAY['is_admin', 'role']" in rules
    assert "oid NOT IN" in found["rights on the tables there are"].check_sql, "all rights come back with the next run"


def test_nothing_declared_is_nothing_protected(declaration):
    declaration.own |= {"postgres_append_only_tables": (), "postgres_owner_columns": {}}
    assert "ARRAY[]::name[]" in named(declaration)["rights on protected tables"].check_sql


@pytest.mark.parametrize("name", ["Audit", "audit; DROP TABLE users", "a.b"])
def test_names_that_are_none(declaration, name):
    declaration.own["postgres_append_only_tables"] = (name,)
    assert "match pattern" in declaration.problems()["postgres_append_only_tables.0"]
