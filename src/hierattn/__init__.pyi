from hierattn.deploy.predict.predictor import Predictor as Predictor
from hierattn.models.registry import create_model as create_model
from hierattn.models.registry import list_models as list_models

__version__: str
__all__ = ["Predictor", "create_model", "list_models"]
