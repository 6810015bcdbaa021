"""How things are kept: journal, canonical JSON, TOML read strictly."""
