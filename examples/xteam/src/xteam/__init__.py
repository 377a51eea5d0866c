"""XTeam: workspaces and files for teams."""

__version__ = "1.0.0"
