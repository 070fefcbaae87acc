"""Tables as files: CSV of any kind, Excel and Parquet, every value a text."""
