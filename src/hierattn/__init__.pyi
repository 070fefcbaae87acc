from hierattn.deploy.predict.predictor import Predictor as Predictor
from hierattn.models.registry import list_models as list_models
from hierattn.models.weights.hub_model import create_model as create_model

__version__: str
__all__ = ["Predictor", "create_model", "list_models"]
