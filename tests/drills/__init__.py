"""Drills: what is claimed about failures, carried out on a running estate (docs/verification.md, "Drills")."""
