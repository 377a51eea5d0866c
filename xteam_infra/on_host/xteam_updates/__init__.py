"""Updates of this host: what waits, what still runs the old files, and whether the estate can spare the host."""
