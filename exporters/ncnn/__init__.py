"""A proved ONNX graph as ncnn's pair of files, and the proof of those."""
