"""The internal CAs' certificates, and this host's own certificates signed by them."""

from xteam_infra.engine.operations import HostDirectory, HostFile, barrier, directories, write
from xteam_infra.engine.runtime import authority, open_estate, plan
from xteam_infra.layers.certificates.operations import certificates
from xteam_infra.plan import CA_PATH, PKI_DIRECTORY, trust_path

settings = open_estate().certificates

directories([HostDirectory(PKI_DIRECTORY)], name="Make the certificate directory")
write(
    [
        HostFile(CA_PATH, text=authority().pem),
        *(HostFile(trust_path(one), text=authority(one).pem) for one in plan().issuers),
    ],
    name="Write the internal CAs' certificates",
)
certificates(
    plan().certificates,
    settings.certificate_days,
    settings.certificate_renew_days,
    name="Issue and renew this host's certificates",
)
barrier(name="certificates: applied")
