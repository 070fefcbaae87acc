"""Reads what Weights & Biases writes offline: records of its protocol, in LevelDB's log format."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK, _HEADER = 32 * 1024, 7


def _records(path: Path) -> Iterator[bytes]:
    """Each record, put together from its pieces (https://github.com/google/leveldb/blob/main/doc/log_format.md)."""
    data, at, record = path.read_bytes(), _HEADER, b""
    assert data.startswith(b":W&B")
    while at + _HEADER <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEADER:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        record += data[at + _HEADER : at + _HEADER + length]
        at += _HEADER + length
        if kind in (1, 4):  # whole, or the last piece
            yield record
            record = b""


def offline_runs(run: Path) -> list[dict[str, Any]]:
    """What each start of the run left, oldest first: ``id``, ``config``, ``history``, ``summary`` and ``exit``."""
    from wandb.proto import wandb_internal_pb2 as protocol

    starts = []
    for path in sorted((run / "wandb").glob("offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime_ns):
        start: dict[str, Any] = {"config": {}, "history": [], "summary": {}, "exit": None}
        for piece in _records(path):
            record = protocol.Record()
            record.ParseFromString(piece)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                start |= {"id": record.run.run_id, "project": record.run.project, "name": record.run.display_name}
                start["config"] |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
            elif kind == "history":
                start["history"].append({_key(item): json.loads(item.value_json) for item in record.history.item})
            elif kind == "summary":
                start["summary"] |= {_key(item): json.loads(item.value_json) for item in record.summary.update}
            elif kind == "exit":
                start["exit"] = record.exit.exit_code
        starts.append(start)
    return starts


def _key(item: Any) -> str:
    return item.key or ".".join(item.nested_key)
