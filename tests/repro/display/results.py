"""Results of a campaign, made up, for the tests of what shows them."""

from __future__ import annotations

from repro.campaigns.campaign import CaseResult
from repro.campaigns.expectations import Comparison, Expectation, Standing
from repro.verdicts.verdict import Status, Verdict

FINGERPRINT = {"model_sha256": "0" * 64, "driver": "driver 1"}
PASSED = Verdict(0, "y", Status.PASS, power=1e-3, metrics={"pearson": 1.0, "max_abs": 0.0})
WRONG = Verdict(
    1, "acc", Status.FAIL, "alias(x)", "RMS error 3", "input 0 'x' (bit-exact, 4/4)", metrics={"pearson": float("nan")}
)
EXPECTED = Expectation(
    case="family/known",
    output=1,
    precision="any",
    status=Status.FAIL,
    signature="alias(x)",
    finding="its-finding",
    reason="because",
)


def result(
    case: str, *judged: tuple[Verdict, Comparison], target: str = "gpu:a", log: str = "", cached: bool = False
) -> CaseResult:
    verdicts, comparisons = tuple(v for v, _ in judged), tuple(c for _, c in judged)
    return CaseResult(
        case, target, "adapter", "2.3.0", "fp32", verdicts, FINGERPRINT, {"load": 1.0}, log, cached, comparisons
    )


GOOD = (PASSED, Comparison(Standing.PASSED, "PASS"))
KNOWN = (WRONG, Comparison(Standing.KNOWN, "FAIL alias(x)", expectation=EXPECTED))
NEWS = (WRONG, Comparison(Standing.NEW_FAILURE, "PASS", "new failure: family/new output 1 'acc': <b> & [red]x[/]"))
RESULTS = [
    result("family/good", GOOD),
    result("family/known", GOOD, KNOWN),
    result("other/new", NEWS, log="the delegate's last words"),
    result("other/twin", GOOD, cached=True),
]
