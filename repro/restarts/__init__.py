"""What a model computes out of the delegate's caches of compiled programs, also out of those that are not its own."""
