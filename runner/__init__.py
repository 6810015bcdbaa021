"""How a model is run: targets, workers, Vulkan drivers, runtimes, adb. Knows no case and no verdict."""
