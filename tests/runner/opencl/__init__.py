"""LiteRT-LM's Android library on this host, and the OpenCL drivers it runs over."""
