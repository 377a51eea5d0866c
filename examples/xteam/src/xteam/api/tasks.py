"""Work for later."""

from typing import Any

from celery.result import AsyncResult
from fastapi import APIRouter, HTTPException

from xteam.security import CurrentLogin
from xteam.tasks import BY_NAME
from xteam.worker import app as celery

router = APIRouter(prefix="/tasks")


@router.post("/{name}", status_code=202)
def enqueue(name: str, _login: CurrentLogin, arguments: dict[str, float | str] | None = None) -> dict[str, str]:
    """The body, if any, is a JSON object of the task's arguments."""
    if name not in BY_NAME:
        raise HTTPException(404, f"no such task; there are: {', '.join(sorted(BY_NAME))}")
    try:
        return {"id": BY_NAME[name].apply_async(kwargs=arguments or {}).id}
    except TypeError:
        raise HTTPException(422, f"{name} does not take these arguments") from None


@router.get("/{task_id}")
def state(task_id: str, _login: CurrentLogin) -> dict[str, Any]:
    """PENDING also stands for an id that never was."""
    result: AsyncResult = celery.AsyncResult(task_id)
    found = {"id": task_id, "state": result.state}
    if result.successful():
        found["result"] = result.result
    elif result.failed():
        found["error"] = type(result.result).__name__
    return found
