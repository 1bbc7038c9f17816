"""Settings of the analytics alone."""

from pydantic import Field

from shared.settings import Settings


class AnalyticsSettings(Settings):
    """`Settings`, and what a statistic needs and a user may ask for."""

    min_coverage: float = Field(
        0.8, gt=0, le=1, description="share of a window's bars with trades and without holes below which statistics are absent"
    )
    max_variants: int = Field(64, ge=0, le=10_000, description="pairs with parameters of their own that may be asked for at once")
