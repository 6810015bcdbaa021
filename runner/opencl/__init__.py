"""LITERT_CL without a phone: LiteRT's Android library loaded here, over an OpenCL driver of this host."""
