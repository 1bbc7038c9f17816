"""HTTP of the ingestor: the symbols that are followed, changed at run time, and health."""

from typing import Annotated

from fastapi import FastAPI, HTTPException
from pydantic import AfterValidator, BaseModel, Field

from services.ingestor.source import Source
from services.ingestor.standing import Standing
from shared.errors import Unavailable
from shared.health import Health
from shared.http_app import http_app
from shared.symbols import symbol_name


class Symbols(BaseModel):
    """Symbols as the venue writes them."""

    symbols: list[Annotated[str, AfterValidator(symbol_name)]] = Field(max_length=2000)


class Desk:
    """What runs now; empty until the source is chosen."""

    def __init__(self) -> None:
        self.standing: Standing | None = None
        self.source: Source | None = None

    def open(self) -> tuple[Standing, Source]:
        """Raises `Unavailable` before the source is chosen."""
        if self.standing is None or self.source is None:
            raise Unavailable("the source is still being chosen")
        return self.standing, self.source


def ingestor_app(health: Health, desk: Desk) -> FastAPI:
    """The HTTP application of the ingestor."""
    app = http_app(health, "Brings the trades of the source into the ticks topic.")

    @app.get("/symbols", tags=["symbols"], summary="The symbols that are followed")
    async def get_symbols() -> Symbols:
        standing, _ = desk.open()
        return Symbols(symbols=await standing.symbols())

    @app.post("/symbols", tags=["symbols"], summary="Follow these too; 422 if the source does not have one of them")
    async def post_symbols(body: Symbols) -> Symbols:
        standing, source = desk.open()
        await source.follow(body.symbols)
        await standing.follow(body.symbols)
        return Symbols(symbols=await standing.symbols())

    @app.delete("/symbols", tags=["symbols"], summary="Follow these no more; 404 if one of them is not followed")
    async def delete_symbols(body: Symbols) -> Symbols:
        standing, source = desk.open()
        followed = await standing.symbols()
        unknown = [symbol for symbol in body.symbols if symbol not in followed]
        if unknown:
            raise HTTPException(404, f"not followed: {', '.join(unknown)}")
        await source.unfollow(body.symbols)
        await standing.unfollow(body.symbols)
        return Symbols(symbols=await standing.symbols())

    return app
