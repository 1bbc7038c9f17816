"""Settings of the sampler alone."""

from pydantic import Field

from shared.settings import Settings


class SamplerSettings(Settings):
    """`Settings`, and how long ticks may gather."""

    sampler_linger_ms: int = Field(
        5, ge=0, le=1000, description="pause after a small read, so that ticks gather: latency against CPU"
    )
