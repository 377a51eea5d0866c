"""What no layer uses any more, removed once every layer has its present files."""

from xteam_infra.engine.operations import barrier, ensure
from xteam_infra.layers.app.needs import FORMER_PATHS
from xteam_infra.layers.certificates.needs import FORMER

barrier(name="leftovers: every layer has its present certificates")
ensure(
    f"rm -f {' '.join(FORMER)}",
    " && ".join(f"[ ! -e {path} ]" for path in FORMER),
    name="Remove certificates of earlier versions",
)
ensure(
    f"rm -rf {' '.join(FORMER_PATHS)}",
    " && ".join(f"[ ! -e {path} ]" for path in FORMER_PATHS),
    name="Remove programs of earlier versions",
)
