"""The internal certificate authorities, and the short-lived leaf certificates they sign.

An authority's key stays in the secrets store; a leaf's key is made for one host and kept only there.
"""

from xteam_infra.pki.authority import CA_SECRET, Authority, make_authority, secret_of
from xteam_infra.pki.leaf import Leaf, Subject

__all__ = ["CA_SECRET", "Authority", "Leaf", "Subject", "make_authority", "secret_of"]
