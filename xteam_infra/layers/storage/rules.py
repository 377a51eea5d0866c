"""Rules of the storage layer that look at the whole estate."""

from collections.abc import Iterator

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate
from xteam_infra.layers.storage.needs import tang_servers
from xteam_infra.settings.stored import Stored

LUKS2_REFUSED = (
    '"fscrypt", "provider" or "none": luks2 is not proved yet (no host this project is tested on has a device mapper)'
)


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.storage
    if settings.storage_encryption == "luks2":
        yield settings.problem("storage_encryption", "luks2", LUKS2_REFUSED)
    known = {machine.name for machine in estate.machines}
    if unknown := sorted(set(settings.storage_tang_servers) - known):
        yield settings.problem("storage_tang_servers", unknown, f"hosts of the inventory: {', '.join(sorted(known))}")
        return
    if settings.storage_encryption == "fscrypt" and estate.members("postgres"):
        servers = tang_servers(estate)
        if settings.storage_tang_threshold > len(servers):
            names = ", ".join(machine.name for machine in servers)
            yield settings.problem(
                "storage_tang_threshold",
                settings.storage_tang_threshold,
                f"at most {len(servers)} (Tang servers: {names})",
            )


def stored(estate: Estate) -> Iterator[Stored]:
    """The secrets of this layer that the store may hold, and what each must be like."""
    settings = estate.storage
    if settings.storage_encryption == "fscrypt" and estate.members("postgres"):
        yield Stored(settings.storage_recovery.name)
