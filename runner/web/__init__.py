"""LiteRT.js, the same delegate compiled for web pages, in a headless browser."""
