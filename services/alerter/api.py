"""The alerter over HTTP: its rules, and a look at the latest alerts."""

from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from services.alerter.rules import Rule, StoredRule, check_interval, mistake
from services.alerter.store import RuleStore
from shared.errors import BadInput, Unavailable
from shared.health import Health, health_app

_DESCRIPTION = "Alert rules over the pair statistics. The alerts themselves are in the topic `alerts`."

Name = Annotated[str, Path(description="name of a rule")]


def alerter_app(health: Health, store: RuleStore) -> FastAPI:
    """The HTTP application. Errors are ``{"detail": "what is wrong, in plain words"}``."""
    app = health_app(health, _DESCRIPTION)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return _answer(422, "\n".join(_plain(detail) for detail in error.errors()))

    @app.exception_handler(BadInput)
    async def bad_input(_request: Request, error: BadInput) -> JSONResponse:
        return _answer(422, str(error))

    @app.exception_handler(Unavailable)
    async def unavailable(_request: Request, error: Unavailable) -> JSONResponse:
        return _answer(503, str(error))

    @app.get("/rules", tags=["rules"], summary="All rules, by name")
    async def rules() -> list[StoredRule]:
        return list((await store.rules()).values())

    @app.post("/rules", tags=["rules"], summary="Make a rule; it judges later bars only", status_code=201)
    async def create(rule: Rule) -> StoredRule:
        check_interval(rule, store.intervals)
        stored = await store.create(rule)
        if stored is None:
            raise HTTPException(409, f"there is a rule named {rule.name}; change it with PUT /rules/{rule.name}")
        return stored

    @app.put("/rules/{name}", tags=["rules"], summary="Change a rule; it outlives a restart, in place of the file's")
    async def replace(name: Name, rule: Rule) -> StoredRule:
        if rule.name != name:
            raise BadInput(f"name = {rule.name!r}: the path says {name!r}; a rule cannot be renamed")
        check_interval(rule, store.intervals)
        stored = await store.replace(rule)
        if stored is None:
            raise HTTPException(404, _unknown(name))
        return stored

    @app.delete(
        "/rules/{name}",
        tags=["rules"],
        summary="Remove a rule; one of the file or the default is back at the next start, so disable that instead",
        status_code=204,
    )
    async def delete(name: Name) -> None:
        if not await store.delete(name):
            raise HTTPException(404, _unknown(name))

    @app.get("/alerts", tags=["alerts"], summary="The latest alerts, newest first")
    async def alerts(limit: Annotated[int, Query(ge=1, le=10_000)] = 100) -> list[dict[str, Any]]:
        return await store.alerts(limit)

    return app


def _unknown(name: str) -> str:
    return f"there is no rule named {name}; GET /rules lists them"


def _answer(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status_code=status)


def _plain(detail: dict[str, Any]) -> str:
    place, *location = detail["loc"]
    if detail["type"] == "json_invalid":
        return f"the body is no JSON: {detail['ctx']['error']}"
    if place == "body":
        line = mistake(detail | {"loc": tuple(location)}, Rule)
        return line if location or detail["type"] == "value_error" else f"the body is no rule, a JSON object: {line}"
    return f"{'.'.join(map(str, location))} = {detail['input']!r}: {detail['msg']}"
