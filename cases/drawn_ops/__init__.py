"""Ops of every kind on random operands: of every type, rank, broadcast and option, as TFLite takes them."""
