"""Certificates of the internal CA, between hosts. The public certificate is in edge.py."""

# Life of a certificate, and days left at which the ordinary run renews it.
certificate_days = 90
certificate_renew_days = 30
