"""Codecs for hosts without latentone: nn~, ONNX, and PyTorch alone."""

from .nn_tilde import export_nn_tilde
from .onnx import export_onnx
from .pt2 import export_pt2

__all__ = ["export_nn_tilde", "export_onnx", "export_pt2"]
