"""Work for later."""

import uuid
from typing import Any

from celery.result import AsyncResult
from fastapi import APIRouter, HTTPException

from xteam.names import Id, Name, Number, Text
from xteam.security import CurrentLogin
from xteam.stores import owner_of_task, remember_task
from xteam.tasks import BY_NAME
from xteam.worker import app as celery

router = APIRouter(prefix="/tasks")


@router.post("/{name}", status_code=202)
def enqueue(name: Name, login: CurrentLogin, arguments: dict[str, Number | Text] | None = None) -> dict[str, str]:
    """The body, if any, is a JSON object of the task's arguments."""
    if name not in BY_NAME:
        raise HTTPException(404, f"no such task; there are: {', '.join(sorted(BY_NAME))}")
    task_id = uuid.uuid4().hex
    # First: a result that is there before its owner is known could be had by nobody.
    remember_task(task_id, login.user.id)
    try:
        return {"id": BY_NAME[name].apply_async(kwargs=arguments or {}, task_id=task_id).id}
    except TypeError:
        raise HTTPException(422, f"{name} does not take these arguments") from None


@router.get("/{task_id}")
def state(task_id: Id, login: CurrentLogin) -> dict[str, Any]:
    """Only to who asked for it. 404 also when its result has expired."""
    if owner_of_task(task_id) != login.user.id:
        raise HTTPException(404, "no such task")
    result: AsyncResult = celery.AsyncResult(task_id)
    found = {"id": task_id, "state": result.state}
    if result.successful():
        found["result"] = result.result
    elif result.failed():
        found["error"] = type(result.result).__name__
    return found
