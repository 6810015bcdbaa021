"""What came back of a bundle: judged, and kept with who measured it."""
