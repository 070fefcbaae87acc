"""HierAttn: train, judge honestly and carry onto a phone a skin-lesion classifier of one or two million parameters.

This package is light: importing it loads neither torch nor onnxruntime. The doors are

>>> from hierattn.models import create_model            # doctest: +SKIP
>>> from hierattn.deploy.predict.predictor import Predictor     # doctest: +SKIP

and the command line, ``hierattn --help``. Not a medical device.
"""

__version__ = "0.1.0"
