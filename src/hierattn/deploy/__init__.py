"""From a checkpoint to one file that answers anywhere, and from a photograph to advice.

``predictor``, ``bundle``, ``triage`` and ``photo_quality`` run without torch; ``exportable``, ``onnx`` and ``parity``
need ``hierattn[train]``. This package itself imports nothing.
"""
