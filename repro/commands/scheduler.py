"""`repro scheduler`: where the workers of a campaign and the commands that use them meet."""

from __future__ import annotations

from pathlib import Path

import click

from repro.commands.elsewhere import access_to, keys, say, until_stopped
from repro.remote.access import PORT, make_secret
from repro.remote.engine import serve_scheduler


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address of this machine only.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: any that is free.")
@keys
@click.option("--new-secret", type=click.Path(path_type=Path), help="First write a new secret here, then use it.")
@click.pass_context
def command(ctx: click.Context, host: str, port: int, new_secret: Path | None) -> None:
    """Start a scheduler, until Ctrl-C. It measures nothing itself: `repro worker` does, here and on other machines.

    It listens on this machine alone unless --host says otherwise, and then only for those who hold the key: whoever
    can connect to a scheduler can run any program on its workers.

    \b
    1. repro scheduler                                            for this machine
    2. repro scheduler --host 192.168.0.7 --new-secret campaign.key     copy the file to the other machines
    3. repro scheduler --host 192.168.0.7 --secret-file campaign.key
    """
    if new_secret is not None:
        make_secret(new_secret)
        ctx.meta["repro.campaign-keys"]["secret_file"] = new_secret
    shown = f"[{host}]" if ":" in host else host
    access = access_to(ctx, f"tcp://{shown}:{port}")
    with until_stopped("scheduler"):
        serve_scheduler(access, lambda address: say(f"scheduler at {address}"))
