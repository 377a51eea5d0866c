"""The API: `python -m uvicorn xteam.main:app`."""

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from xteam import __version__, errors, middleware
from xteam.api import accounts, assets, files, me, operators, tasks, upstream, websocket
from xteam.config import get_settings
from xteam.log import configure_logging


def create_app() -> FastAPI:
    settings = get_settings()
    configure_logging(settings.LOG_LEVEL)
    errors.report_to_sentry(settings)
    documented = not settings.production
    app = FastAPI(
        title="XTeam",
        version=__version__,
        debug=settings.DEBUG,
        docs_url="/docs" if documented else None,
        redoc_url="/redoc" if documented else None,
        openapi_url="/openapi.json" if documented else None,
    )
    for part in (operators, accounts, assets, me, files, tasks, upstream, websocket):
        app.include_router(part.router)
    app.mount(assets.PATH, StaticFiles(directory=assets.DIRECTORY))
    errors.install(app)
    middleware.install(app, settings)
    return app


app = create_app()
