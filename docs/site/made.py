"""Pages made from the code: one per command, one per rule of the lint, and the list of the findings."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from docs.site.sources import table
from repro.cli import COMMANDS, main
from repro.findings.reader import load, slugs
from repro.hazards.hazard import Level, Rule
from repro.hazards.rules import RULES
from runner.encoding import fenced, markdown_prose


def write_all(out: Path) -> None:
    """Write all made pages below `out`."""
    indexes = {"commands": commands_index(), "rules": rules_index(), "findings": findings_index()}
    pages = {f"{folder}/index.md": text for folder, text in indexes.items()}
    context = click.Context(main, info_name="repro")
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        pages[f"commands/{name}.md"] = command_page(name, command, context)
    pages |= {f"rules/{rule.id}.md": rule_page(rule) for rule in RULES.values()}
    for place, text in pages.items():
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        (out / place).write_text(text, encoding="utf-8")


def _contents(names: Iterator[str] | list[str]) -> str:
    return "```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"


def commands_index() -> str:
    """What each command is for, in a line."""
    rows = ((f"[{name}]({name}.md)", said) for name, said in COMMANDS.items())
    return f"# Commands\n\n{table(('command', 'what it does'), rows)}\n\n{_contents(list(COMMANDS))}"


def command_page(name: str, command: click.Command, parent: click.Context) -> str:
    """Usage, words, examples and options of a command, and of its own commands below it."""
    return "\n".join(_command_lines(f"repro {name}", name, command, parent, 1)) + "\n"


def _command_lines(title: str, name: str, command: click.Command, parent: click.Context, level: int) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    yield f"{'#' * level} {title}"
    yield ""
    yield fenced([command.get_usage(context)], "text")
    yield ""
    said, _, examples = inspect.cleandoc(command.help or "").partition("\b")
    yield from (markdown_prose(paragraph.replace("\n", " ")) + "\n" for paragraph in re.split(r"\n\s*\n", said.strip()))
    if examples.strip():
        yield fenced(textwrap.dedent(examples.strip("\n")).splitlines(), "text") + "\n"
    rows = [(f"`{first}`", markdown_prose(second)) for first, second in _options(command, context)]
    if rows:
        yield table(("option", "what it does"), rows)
        yield ""
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from _command_lines(f"{title} {below}", below, found, context, level + 1)


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and not isinstance(parameter, click.Argument):  # which the usage and the text tell of
            yield record


def rules_index() -> str:
    """All rules: hazards, then risks."""
    rows = [
        (f"[{rule.id}]({rule.id}.md)", rule.level.value, markdown_prose(rule.pattern))
        for rule in sorted(RULES.values(), key=lambda rule: rule.level is not Level.HAZARD)
    ]
    said = (
        "What `repro lint` looks for. A hazard is computed wrong, silently, or ends the process; a risk may be. "
        "[How the lint knows](../docs/lint.md)."
    )
    return f"# Rules of the lint\n\n{said}\n\n{table(('rule', 'level', 'pattern'), rows)}\n\n{_contents(list(RULES))}"


def rule_page(rule: Rule) -> str:
    """What one rule means for the one who ships the model."""
    filled = {"tensor": "y", "producer": "first op", "consumer": "second op", "detail": "..."}
    meant = {name: f"<{name}>" for name in filled}
    lines = [
        f"# {rule.id}",
        "",
        f"**{rule.level.value.capitalize()}.** {markdown_prose(rule.pattern)}",
        "",
        f"- What happens: {markdown_prose(rule.message.format(**meant))}.",
        f"- What to do: {markdown_prose(rule.advice.format(**meant))}.",
        f"- In LiteRT {markdown_prose(rule.runtimes)}{', ' + markdown_prose(rule.where) if rule.where else ''}.",
    ]
    if rule.latent:
        lines.append("- The wrong values show for some inputs only.")
    if rule.finding:
        lines.append(f"- Evidence: [{rule.finding}](../findings/{rule.finding}/report.md).")
    if rule.upstream:
        lines.append(f"- Reported upstream: <{rule.upstream}>.")
    if rule.workaround:
        also = "" if rule.level is Level.HAZARD else f" --also {rule.id}"
        lines += ["", fenced([f"repro fix model.tflite -o mended.tflite{also}"], "sh")]
    return "\n".join(lines) + "\n"


def findings_index() -> str:
    """All findings, with what each is."""
    rows = [(f"[{slug}]({slug}/report.md)", markdown_prose(load(slug).title)) for slug in slugs()]
    said = (
        "Each is a small graph that a GPU delegate gets wrong, a healthy twin that it gets right, and the evidence. "
        "[How they are kept](../docs/findings.md)."
    )
    names = [f"{slug}/report" for slug in slugs()]
    return f"# Findings\n\n{said}\n\n{table(('finding', 'what it is'), rows)}\n\n{_contents(names)}"
