"""The format of an exported model: what its file says of itself, read without torch and without ``onnx``."""
