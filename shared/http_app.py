"""The HTTP application that every service but the UI starts from: health routes, and errors in plain words.

An error is ``{"detail": "what is wrong and what would be right"}``: 422 for bad input (or the status it carries), 503 when Redis
or the exchange is away.
"""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline

from shared import __version__
from shared.errors import BadInput, Unavailable
from shared.health import Health
from shared.http_guard import BodyLimit

_RETRY_AFTER_S = "2"


def http_app(health: Health, description: str, uploads: tuple[str, ...] = ()) -> FastAPI:
    """The application, so far with its three health routes, the handlers of errors and its own page at ``/docs``.

    The page asks no other host for anything: its scripts come from this application, and nobody is asked to judge it.
    Bodies are limited, but for paths that begin with one of `uploads`.
    """
    app = FastAPIOffline(
        title=f"Pairstream {health.service}",
        version=__version__,
        description=description,
        redoc_url=None,
        static_url="/docs-files",
        swagger_ui_parameters={"validatorUrl": "none"},
    )

    app.add_middleware(BodyLimit, uploads=uploads)

    @app.get("/healthz", tags=["health"], summary="The process answers")
    async def healthz() -> dict[str, str]:
        return {"service": health.service, "status": "alive", "version": __version__}

    @app.get("/readyz", tags=["health"], summary="The service does its work; 503 with the reasons if not")
    async def readyz() -> JSONResponse:
        return JSONResponse(health.report(), status_code=503 if health.reasons else 200)

    @app.get("/metrics", tags=["health"], summary="Figures in Prometheus' text format")
    async def metrics() -> Response:
        body, content_type = health.exposition()
        return Response(body, media_type=content_type)

    @app.exception_handler(BadInput)
    async def bad_input(_request: Request, error: BadInput) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=error.http_status)

    @app.exception_handler(Unavailable)
    async def unavailable(_request: Request, error: Unavailable) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=503, headers={"Retry-After": _RETRY_AFTER_S})

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": "\n".join(map(_plain, error.errors()))}, status_code=422)

    return app


def _plain(detail: dict[str, Any]) -> str:
    """One of pydantic's error details as a plain line."""
    place, *location = detail["loc"]
    context = detail.get("ctx", {})
    if detail["type"] == "json_invalid":
        return f"the body is no JSON: {context.get('error')}"
    reason = context.get("error") or detail["msg"]
    name = ".".join(map(str, location))
    match detail["type"]:
        case "missing":
            return f"{name or place}: is missing"
        case "extra_forbidden":
            return f"{name}: there is no such field"
        case "model_attributes_type" | "model_type" if not name:
            return f"the {place} is no JSON object"
    return f"{name} = {detail['input']!r}: {reason}" if name else str(reason)
