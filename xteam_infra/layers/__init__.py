"""The layers: all that one layer knows, in one folder."""
