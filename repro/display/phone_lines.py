"""What became of each of several phones: what is done, what is missing and why, and the command that goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from repro.records.lines import Line, Tone, counted, line


@dataclass(frozen=True)
class PhoneWork:
    """target: as `--target` takes it. shown: what results call it. model: of the phone, empty where it did not tell.

    done, wanted: of its runs, cached ones included; wanted is what each phone was asked for. why: the line that ended
    it, empty where all is done. go_on: the command for the rest.
    """

    target: str
    shown: str
    model: str
    done: int
    wanted: int
    why: str
    go_on: str

    def line(self) -> Line:
        name = self.target if self.shown == self.target else f"{self.target} (in results: {self.shown})"
        model = f", {self.model}" if self.model else ""
        head = f"{name}{model}: {self.done} of {counted(self.wanted, 'run')} done"
        if not self.why:
            return line((head, Tone.GOOD))
        missing = f", {self.wanted - self.done} missing" if self.wanted > self.done else ""
        return line((head, Tone.WARN), f"{missing}: {self.why}; go on with: {self.go_on}")


def phone_lines(phones: Sequence[PhoneWork], late: Iterable[str] = ()) -> Iterator[Line]:
    """One line per phone, one per model that several are of, one per phone that came too late (by its serial)."""
    for phone in phones:
        yield phone.line()
    by_model: defaultdict[str, list[str]] = defaultdict(list)
    for phone in phones:
        if phone.model:
            by_model[phone.model].append(phone.shown)
    for model, names in by_model.items():
        if len(names) > 1:
            yield line(
                f"{counted(len(names), 'phone')} are a {model}: {', '.join(names)}; their results are kept apart"
            )
    for serial in late:
        yield line((f"adb:{serial} came after the start and was not run; the same command runs it", Tone.WARN))
