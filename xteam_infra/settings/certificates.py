"""Settings of the certificates layer."""

from typing import ClassVar

from pydantic import Field

from xteam_infra.settings.model import LayerSettings


class CertificatesSettings(LayerSettings):
    """group_data/certificates.py"""

    layer: ClassVar[str] = "certificates"

    certificate_days: int = Field(90, ge=2, le=90)
    """Life of an internal certificate."""
    certificate_renew_days: int = Field(30, ge=1, le=89)
    """Days left at which the ordinary run renews it: a third of its life, certbot's rule."""
