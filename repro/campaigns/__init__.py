"""The catalogue on a target: run, judged, compared with what is expected, journaled."""
