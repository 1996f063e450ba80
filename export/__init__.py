"""From a PyTorch checkpoint to an ONNX model folder that `vulcap verify` can check (see README.md)."""
