"""Drills: claims about failures, carried out on a running estate (docs/operations/verification.md, "Drills")."""
