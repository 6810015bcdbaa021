"""The loopback device: a device-side adb daemon on this host that runs the real runner and the real LiteRT library.

The delegate and its bugs are real; the "phone" is this host, and everything it says of itself says so.
"""
