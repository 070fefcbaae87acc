"""Photographs of one picture: found by hashes and by embeddings, so that no fold leaks."""
