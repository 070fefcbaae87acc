"""Experiment trackers: TensorBoard, MLflow, Weights & Biases. The recipe key ``trackers`` names those of a run."""
