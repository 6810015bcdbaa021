"""Structural patterns of a .tflite known to miscompile, found by reading it."""
