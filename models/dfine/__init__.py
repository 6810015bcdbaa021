"""D-FINE-S: the reference, its GPU-clean rewrite, the split in two graphs with a host step, and the conversion."""
