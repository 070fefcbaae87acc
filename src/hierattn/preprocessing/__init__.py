"""Cleaning one photograph (§3.2.1): reading, adaptive crop, hair removal, colour constancy, quality. No torch."""
