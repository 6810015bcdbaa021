"""One model on one target, judged: check, trials, taps, blame."""
