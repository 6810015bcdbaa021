"""Models that published packages ship: which they are, and how they are collected."""
