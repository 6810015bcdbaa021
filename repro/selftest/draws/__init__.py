"""Random graphs drawn around the rules of the lint."""
