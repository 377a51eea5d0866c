"""The application in Kubernetes instead of on hosts, from the same settings, units and environment.

docs/operations/kubernetes.md is its page.

`manifests(Target(estate, options))` are the objects; `python -m xteam_infra.kubernetes` prints them.
"""

from xteam_infra.kubernetes.manifests import manifests
from xteam_infra.kubernetes.options import KubernetesError, Options
from xteam_infra.kubernetes.target import Target

__all__ = ["KubernetesError", "Options", "Target", "manifests"]
