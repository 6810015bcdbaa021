"""Phones over adb: finding one, running batches on it, and a loopback device that stands in for one."""
