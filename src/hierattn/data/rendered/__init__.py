"""Rendered lesions: what the demo, the tests and the pictures of the docs use in place of photographs."""
