"""Reading and writing .tflite files: bytes to Graph and back."""
