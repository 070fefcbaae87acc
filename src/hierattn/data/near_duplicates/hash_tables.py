"""Which of many vectors are close to each other, in time that grows with the vectors and not with their pairs.

Vectors of whole numbers go into hash tables by the signs of their products with random directions (Charikar,
"Similarity estimation techniques from rounding algorithms", STOC 2002), as many bits as the number of vectors has.
Two that point the same way share a bucket in at least one of 32 tables, nearly always.
"""

from __future__ import annotations

import numpy as np

_TABLES = 32
_MOST_IN_BUCKET = 64
_ALL_PAIRS = 4096  # vectors up to which every pair is compared: quicker than tables, and misses none
_AT_ONCE, _ROWS = 1 << 22, 1 << 13  # numbers multiplied, and vectors hashed, at once
_ROUNDING = 1e-4  # more than float32 loses of a cosine


class HashTables:
    """Vectors, sorted by hash in several tables.

    Products of whole numbers with directions of +1 and -1 are exact in float32, so that a hash does not depend on the
    order of additions.

    Parameters
    ----------
    prints
        int8, (images, length), each of about one length as a vector; length at most 100,000.
    least_cosine
        Of two vectors, to be reported.
    """

    def __init__(self, prints: np.ndarray, least_cosine: float) -> None:
        self._prints, self._least = prints, least_cosine
        self._lengths = np.linalg.norm(prints.astype(np.float64), axis=1)
        self._units = _of_length_one(prints, self._lengths) if len(prints) <= _ALL_PAIRS else None
        if self._units is not None:
            return
        self._bits = min(28, max(8, len(prints).bit_length() + 3))
        directions = np.random.default_rng(0).integers(0, 2, (prints.shape[1], _TABLES * self._bits)) * 2 - 1
        self._directions = directions.astype(np.float32)
        keys = self._hash(prints)
        self._orders = [np.argsort(column, kind="stable") for column in keys.T]
        self._sorted = [column[order] for column, order in zip(keys.T, self._orders, strict=True)]

    def _hash(self, prints: np.ndarray) -> np.ndarray:
        """int8 (images, length) -> int32 (images, tables)."""
        powers = (1 << np.arange(self._bits)).astype(np.int32)
        keys = np.empty((len(prints), _TABLES), np.int32)
        for start in range(0, len(prints), _ROWS):
            part = slice(start, start + _ROWS)
            bits = (prints[part].astype(np.float32) @ self._directions) > 0
            keys[part] = (bits.reshape(-1, _TABLES, self._bits) * powers).sum(axis=2, dtype=np.int32)
        return keys

    def look_up(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the table, rows of ``queries``, cosines: of all that are close, but for a row with itself."""
        lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
        if self._units is None:
            rows, columns = self._in_one_bucket(queries)
        else:
            rows, columns = self._nearly_close(self._units, _of_length_one(queries, lengths))
        cosines = self._products(rows, queries, columns) / np.maximum(self._lengths[rows] * lengths[columns], 1.0)
        close = (cosines >= self._least) & (rows != columns)
        return rows[close], columns[close], cosines[close]

    def _nearly_close(self, units: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the one and of the other that are close by a cosine in float32, or nearly so."""
        step = max(1, _AT_ONCE // max(1, len(others)))
        found = [
            np.flatnonzero(units[start : start + step] @ others.T >= self._least - _ROUNDING) + start * len(others)
            for start in range(0, len(units), step)
        ]
        rows, columns = np.divmod(np.concatenate(found), max(1, len(others)))
        return rows, columns

    def _products(self, rows: np.ndarray, queries: np.ndarray, columns: np.ndarray) -> np.ndarray:
        products = np.zeros(len(rows))
        step = max(1, _AT_ONCE // self._prints.shape[1])
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            products[part] = (self._prints[rows[part]].astype(np.int32) * queries[columns[part]]).sum(axis=1)
        return products

    def _in_one_bucket(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the table and of ``queries`` that share a bucket in some table, each pair once."""
        found = np.sort(np.concatenate([self._matches(*column) for column in enumerate(self._hash(queries).T)]))
        rows, columns = np.divmod(found[np.diff(found, prepend=-1) > 0], len(queries))
        return rows, columns

    def _matches(self, table: int, keys: np.ndarray) -> np.ndarray:
        """``row * queries + query`` of all in the same bucket of a table, at most 64 of a bucket."""
        first = np.searchsorted(self._sorted[table], keys, "left")
        counts = np.minimum(np.searchsorted(self._sorted[table], keys, "right") - first, _MOST_IN_BUCKET)
        queries = np.repeat(np.arange(len(keys)), counts)
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = self._orders[table][np.repeat(first, counts) + offsets]
        return np.asarray(rows * len(keys) + queries)


def _of_length_one(prints: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.asarray(prints / np.maximum(lengths, 1.0)[:, None], np.float32)
