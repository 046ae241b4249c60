"""The LZF decompression that compressed .pcd files use."""

from opendlign_core.ingestion.safety import require

# A back reference makes at most 264 bytes out of three.
_MAX_RATIO = 90


def decompress_lzf(data: bytes, size: int) -> bytes:
    """Unpack to exactly `size` bytes; anything else is refused."""
    require(size <= _MAX_RATIO * len(data), f"claims to unpack {len(data)} bytes to {size}")
    out = bytearray()
    position = 0
    while position < len(data):
        control = data[position]
        position += 1
        if control < 32:
            out += data[position : position + control + 1]
            position += control + 1
        else:
            position = _copy_back(data, position, control, out)
        require(len(out) <= size, "unpacks to more than it declares")
    require(position == len(data) and len(out) == size, f"unpacks to {len(out)} bytes instead of {size}")
    return bytes(out)


def _copy_back(data: bytes, position: int, control: int, out: bytearray) -> int:
    """Append an earlier stretch of the output; returns the position after the reference."""
    length = control >> 5
    if length == 7:
        length += data[position]
        position += 1
    start = len(out) - ((control & 31) << 8) - data[position] - 1
    require(start >= 0, "refers back before its start")
    length += 2
    chunk = out[start : start + length]
    # The stretch may run into the bytes that it makes: repeat what there is.
    while len(chunk) < length:
        chunk += chunk[: length - len(chunk)]
    out += chunk
    return position + 1
