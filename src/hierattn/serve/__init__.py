"""The web service: ``hierattn serve``. FastAPI over the Predictor, without torch; and the built web app.

No photograph is written to a disk or a log here. docs/service.md describes the interface and its limits.
"""
