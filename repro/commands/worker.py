"""`repro worker`: lends the targets of this machine to the commands that run with the same scheduler."""

from __future__ import annotations

import click

from repro.commands import completion
from repro.commands.elsewhere import access_to, keys, say, until_stopped
from repro.matrix.environments import attached_phones
from repro.remote import at_worker
from repro.remote.engine import own_name, serve_worker
from repro.remote.where import resource_of
from runner import targets
from runner.errors import TargetUnavailable


@click.command()
@click.option("--scheduler", metavar="tcp://HOST:PORT", required=True, help="Whose worker this is.")
@keys
@click.option(
    "--target",
    "target_names",
    multiple=True,
    help="Lend only this target; default all that `repro doctor` finds, and all phones. May be repeated.",
    shell_complete=completion.targets,
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=targets.default_workers,
    help="Models that run at once on a target; default one per core.",
)
@click.option("--name", default=own_name, help="How messages call this worker; default host and process.")
@click.pass_context
def command(ctx: click.Context, scheduler: str, target_names: tuple[str, ...], processes: int, name: str) -> None:
    """Run the jobs of others on this machine's targets, until Ctrl-C or until the scheduler goes (exit 3).

    The delegate runs in processes of its own, as in every command, so that what it kills is one job.

    \b
    1. repro worker --scheduler tcp://127.0.0.1:8786
    2. repro worker --scheduler tls://192.168.0.7:8786 --secret-file campaign.key
    3. repro worker --scheduler tcp://127.0.0.1:8786 --target gpu:lavapipe --processes 2
    """
    access = access_to(ctx, scheduler)
    lent = [resource_of(one) for one in (targets.resolve(target_names) if target_names else everything_here())]
    if not lent:
        raise TargetUnavailable("no target works on this machine, so that there is nothing to lend; see `repro doctor`")
    at_worker.processes = processes
    at_worker.kept_open = max(at_worker.kept_open, len(lent))
    at_worker.code_version()
    ctx.call_on_close(at_worker.close_targets)
    with until_stopped(f"worker {name}"):
        serve_worker(access, name, lent, lambda name: say(f"worker {name} lends {', '.join(lent)}"))


def everything_here() -> list[str]:
    """Every target of this machine that works, GPUs best first, and the phones that are attached."""
    found = [*targets.available(), *targets.available_opencl()]
    usable = [info.name for info in found if info.usable]
    return [*usable, *(["cpu:reference"] if "cpu" in usable else []), *attached_phones()]
