"""`--scheduler` and the keys beside it: the same options wherever a command can run its jobs on other machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from repro.remote.access import Access, access
from repro.remote.where import HERE, Elsewhere, Where
from runner.encoding import one_line
from runner.errors import BadInput
from runner.stopping import exit_code

Command = TypeVar("Command", bound="Callable[..., Any] | click.Command")
_KEYS = "repro.campaign-keys"


def _keep(ctx: click.Context, parameter: click.Parameter, file: Path | None) -> None:
    ctx.meta.setdefault(_KEYS, {})[parameter.name] = file


def _key_option(name: str, help_text: str) -> Callable[[Command], Command]:
    return click.option(
        name, type=click.Path(path_type=Path), callback=_keep, is_eager=True, expose_value=False, help=help_text
    )


_SECRET = _key_option("--secret-file", "A secret that all machines of the campaign share; beyond loopback this or TLS.")
_TLS = (
    _key_option("--tls-ca", "Certificates that are believed (PEM)."),
    _key_option("--tls-cert", "The own certificate (PEM)."),
    _key_option("--tls-key", "The key of the own certificate (PEM)."),
)


def keys(command: Command) -> Command:
    """--secret-file and --tls-...: `access_to` reads them."""
    for option in (*reversed(_TLS), _SECRET):
        command = option(command)
    return command


def access_to(ctx: click.Context, address: str) -> Access:
    """The scheduler at an address, with the keys that were given. Raises BadInput where one is missing."""
    return access(address, **ctx.meta.get(_KEYS, {}))


def _where(ctx: click.Context, parameter: click.Parameter, address: str | None) -> Where:
    if address is None:
        given = [f"--{name.replace('_', '-')}" for name, file in ctx.meta.get(_KEYS, {}).items() if file is not None]
        if given:
            raise BadInput(f"{given[0]} is a scheduler's key, and none is named; give --scheduler tcp://HOST:PORT too")
        return HERE
    place = Elsewhere(access_to(ctx, address), say)
    ctx.call_on_close(place.close)
    return place


def say(text: str) -> None:
    """One line about a campaign, on standard error."""
    click.echo(one_line(f"campaign: {text}"), err=True)


@contextmanager
def until_stopped(what: str) -> Iterator[None]:
    """Ctrl-C and the like are how this ends, and nothing of it resumes."""
    try:
        yield
    except KeyboardInterrupt as error:
        say(f"the {what} was stopped")
        click.get_current_context().exit(exit_code(error))


def where(command: Command) -> Command:
    """--scheduler with its keys: the command gets the `where` that opens its targets."""
    chosen = click.option(
        "--scheduler",
        "where",
        metavar="tcp://HOST:PORT",
        callback=_where,
        help="Run on the workers of this scheduler (`repro scheduler`, `repro docs campaigns`).",
    )
    return chosen(keys(command))
