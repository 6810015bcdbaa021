"""RT-DETR-R18: what it has beside D-FINE-S. Encoder, scores, choice of tokens, conversion: see models.dfine."""
