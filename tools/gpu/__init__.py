"""A machine with a GPU for a quarter of an hour: what reproduce/gpu_quarter_hour.sh runs."""
