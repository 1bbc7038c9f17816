"""Wiring of the sampler: ``python -m services.sampler``."""

from services.sampler.builder import BarBuilder
from services.sampler.settings import SamplerSettings
from shared.http_app import http_app
from shared.runtime import Service, follow_source, run_service, serve_http, until_stopped
from shared.step_loop import StepLoop


async def sample(service: Service[SamplerSettings]) -> None:
    settings = service.settings
    app = http_app(service.health, "Turns ticks into bars.")

    loop = StepLoop(
        service,
        lambda keyspace, partition: BarBuilder(settings.intervals, keyspace, partition),
        tables=("symbols",),
        watermarks=True,
        linger_s=settings.sampler_linger_ms / 1000,
    )
    await until_stopped(
        service.stop,
        serve_http(app, settings.host, settings.sampler_port, service.stop),
        follow_source(service, loop.run),
    )


if __name__ == "__main__":
    run_service("sampler", SamplerSettings, sample)
