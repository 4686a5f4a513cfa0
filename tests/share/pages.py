"""A page's data, read back as its script reads it."""

import base64
import gzip
import json
import re
import struct


def blocks(page: str) -> dict[str, str]:
    """The text of its data blocks by name."""
    return dict(re.findall(r'<script type="text/plain" id="([\w-]+)">([^<]*)</script>', page))


def carried(page: str) -> dict:
    """What it says of its widgets, with bytes as bytes."""
    raw = gzip.decompress(base64.b64decode(blocks(page)["mimviz-data"]))
    (size,) = struct.unpack_from("<I", raw)
    data = raw[4 + size :]

    def revive(value):
        if isinstance(value, dict) and "$bytes" in value:
            start, count = value["$bytes"]
            return data[start : start + count]
        if isinstance(value, dict):
            return {name: revive(each) for name, each in value.items()}
        return [revive(each) for each in value] if isinstance(value, list) else value

    return revive(json.loads(raw[4 : 4 + size]))
