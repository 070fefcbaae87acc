"""The small-scale transformer of the CTH block (§3.3.4): L = 2, 4 or 3 layers of width d."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hierattn.errors import UsageError


class SelfAttention(nn.Module):
    """Multi-head self-attention. No position is encoded: the convolutions around it know where things are.

    (sequences, N tokens, d) -> the same shape

    Parameters
    ----------
    dim
        d, a multiple of ``heads``.
    heads
        4 in the paper's models; each is d / heads wide, and scores are divided by the root of that.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise UsageError(f"transformer width {dim} with {heads} heads: wanted a multiple of the number of heads")
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(sequences, N, d) -> (sequences, N, d)."""
        sequences, count, dim = tokens.shape
        qkv = self.qkv(tokens).reshape(sequences, count, 3 * self.heads, dim // self.heads).transpose(1, 2)
        query, key, value = qkv.chunk(3, dim=1)  # each (sequences, heads, N, d / heads), a view
        mixed = attend(query, key, value)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(sequences, count, dim))
        return out


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(query key^T / sqrt(width)) value, by torch's fused attention: (..., N, width) each -> the same shape.

    In bfloat16 on a CPU the fused one's backward pass took six times as long as three plain products, so there it is
    these (docs/lab-notes.md).
    """
    if query.dtype == torch.bfloat16 and query.device.type == "cpu":
        scores = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
        return torch.softmax(scores, dim=-1) @ value
    return F.scaled_dot_product_attention(query, key, value)


class TransformerLayer(nn.Module):
    """Pre-norm: ``x = x + attention(norm(x))``, then ``x = x + dropout(mlp(norm(x)))``, the MLP with GELU.

    (sequences, N tokens, d) -> the same shape

    Parameters
    ----------
    dim, heads
        As in :class:`SelfAttention`.
    mlp_ratio
        Width of the MLP over d: 2.
    dropout
        After the MLP: 0.05 (xs), 0.1 (s, m).
    """

    def __init__(self, dim: int, heads: int, mlp_ratio: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, dim * mlp_ratio), nn.GELU(), nn.Linear(dim * mlp_ratio, dim), nn.Dropout(dropout)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(sequences, N, d) -> (sequences, N, d)."""
        tokens = tokens + self.attention(self.attention_norm(tokens))
        out: Tensor = tokens + self.mlp(self.mlp_norm(tokens))
        return out


class SmallScaleTransformer(nn.Module):
    """L transformer layers and a closing layer normalisation.

    (sequences, N tokens, d) -> the same shape

    Parameters
    ----------
    dim, heads, mlp_ratio, dropout
        As in :class:`TransformerLayer`.
    layers
        L.
    """

    def __init__(self, dim: int, *, layers: int, heads: int, mlp_ratio: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(TransformerLayer(dim, heads, mlp_ratio, dropout) for _ in range(layers)))
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(sequences, N, d) -> (sequences, N, d)."""
        out: Tensor = self.norm(self.layers(tokens))
        return out
