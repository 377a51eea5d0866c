"""The one internal certificate authority, and the short-lived leaf certificates it signs.

The authority's key stays in the secrets store; a leaf's key is made for one host and kept only there.
"""

from xteam_infra.pki.authority import CA_SECRET, Authority, make_authority
from xteam_infra.pki.leaf import Leaf, Subject

__all__ = ["CA_SECRET", "Authority", "Leaf", "Subject", "make_authority"]
