"""Files for browsers. Their names hold a digest, so what one names never changes, and whoever has it may keep it."""

from pathlib import Path

from fastapi import APIRouter

router = APIRouter()
PATH = "/static"
DIRECTORY = Path(__file__).parents[1] / "static"


@router.get("/assets")
def assets() -> dict[str, str]:
    """Plain names, and where their present contents are."""
    found = {}
    for file in DIRECTORY.iterdir():
        stem, _, suffix = file.name.split(".")
        found[f"{stem}.{suffix}"] = f"{PATH}/{file.name}"
    return found
