"""The alerter over HTTP: its rules, and a look at the latest alerts."""

from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Path, Query

from services.alerter.rules import NAME_PATTERN, Rule, RuleChange, StoredRule, check_interval
from services.alerter.store import RuleStore
from shared.errors import BadInput
from shared.health import Health
from shared.http_app import http_app

_DESCRIPTION = "Alert rules over the pair statistics. The alerts themselves are in the topic `alerts`."

Name = Annotated[str, Path(pattern=NAME_PATTERN, description="name of a rule")]


def alerter_app(health: Health, store: RuleStore) -> FastAPI:
    """The HTTP application. Errors are ``{"detail": "what is wrong, in plain words"}``."""
    app = http_app(health, _DESCRIPTION)

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
    async def replace(name: Name, change: RuleChange) -> StoredRule:
        if change.name not in (None, name):
            raise BadInput(f"name = {change.name!r}: the path says {name!r}; a rule cannot be renamed")
        rule = Rule(**{**change.model_dump(), "name": name})
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
