"""What can go wrong when a release is built."""

from pyinfra.api.exceptions import PyinfraError


class ReleaseError(PyinfraError):
    """The release can't be built; the message names what is missing and how to provide it."""
