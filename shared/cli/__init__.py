"""The command line, `pairstream` or ``python -m shared.cli``. Each verb imports what it needs when it is called."""

from pathlib import Path
from typing import Annotated

import typer

Namespace = Annotated[
    str | None, typer.Option(help="Namespace of the keys; otherwise that of the settings, else of the running source.")
]


def build() -> typer.Typer:
    """The application with its verbs."""
    app = typer.Typer(
        name="pairstream",
        help="Live pair-trading analytics over Redis Streams.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.command()
    def up(
        directory: Annotated[Path, typer.Option(help="Where Redis' data, logs and run.json are kept.")] = Path(".pairstream"),
    ) -> None:
        """Start Redis and all five services; Ctrl-C stops them."""
        from shared.cli.up import up

        raise typer.Exit(up(directory))

    @app.command()
    def doctor() -> None:
        """Check versions, ports, Redis, clock, exchange and disk, and say how to mend what is wrong."""
        from shared.cli.doctor import doctor

        raise typer.Exit(doctor())

    @app.command()
    def topics(
        namespace: Namespace = None,
        json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
    ) -> None:
        """List every topic with its key, length and last entry, and the Redis URL to read them at."""
        from shared.cli.topics import topics

        raise typer.Exit(topics(namespace, as_json=json))

    @app.command()
    def tail(
        topic: Annotated[str, typer.Argument(help="A key as `pairstream topics` lists it, such as pairs:1s:ETHUSDT~BTCUSDT.")],
        last: Annotated[int, typer.Option("-n", "--last", min=0, help="How many of the entries already there to print.")] = 10,
        namespace: Namespace = None,
    ) -> None:
        """Follow a topic: one JSON object a line, for as long as it runs."""
        from shared.cli.tail import tail

        raise typer.Exit(tail(topic, last, namespace))

    @app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
    def bench(context: typer.Context) -> None:
        """Measure ticks per second and CPU per tick on this machine; --help lists what can be changed."""
        from shared.cli.bench import bench

        raise typer.Exit(bench(context.args))

    @app.command()
    def asyncapi() -> None:
        """Print the AsyncAPI document of the topics."""
        from shared.cli.asyncapi import text

        typer.echo(text(), nl=False)

    return app


def main() -> None:
    build()()
