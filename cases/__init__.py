"""Which graphs: the graph language, its lowering to torch and to .tflite, the families, their inputs."""
