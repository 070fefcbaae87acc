"""HierAttn and the light networks it is compared with (§3.3, Table 1).

>>> from hierattn.models import create_model, list_models      # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hierattn.models.registry import create_model, list_models

__all__ = ["create_model", "list_models"]


def __getattr__(name: str) -> Any:
    # Lazy, so that importing the package does not load torch.
    if name in __all__:
        from hierattn.models import registry

        return getattr(registry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
