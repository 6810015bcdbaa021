"""The host's targets: worker processes, their protocol, Vulkan drivers, presented adapter names."""
