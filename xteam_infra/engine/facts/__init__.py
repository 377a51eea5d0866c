"""Facts: live state of a host, many values in one round trip."""
