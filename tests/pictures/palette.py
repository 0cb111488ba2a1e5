"""Reduces a PNG to at most 256 colours.

    palette.py FILE

Chromium writes pictures with 8 bits for each channel. A page has few colours, so a palette makes its
picture several times smaller. Requires Python 3.11 without packages.
"""

import collections
import pathlib
import struct
import sys
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {2: 3, 6: 4}
COLOURS = 256


def main():
    [path] = map(pathlib.Path, sys.argv[1:])
    before = path.read_bytes()
    width, rows = decode(before)
    after = encode(width, rows)
    if len(after) < len(before):
        path.write_bytes(after)
    print(f"{path}: {min(len(after), len(before)) / 1000:.0f} kB")


def decode(data):
    """Returns the width and the rows of a picture, each a list of colours."""
    if not data.startswith(SIGNATURE):
        sys.exit("cannot reduce the picture: it is not a PNG")
    chunks = collections.defaultdict(bytes)
    position = len(SIGNATURE)
    while position < len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        chunks[name] += data[position + 8:position + 8 + length]
        position += length + 12
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if depth != 8 or kind not in CHANNELS or interlaced:
        sys.exit("cannot reduce the picture: expected 8 bits for each of red, green and blue, not interlaced")
    return width, list(unfiltered(zlib.decompress(chunks[b"IDAT"]), width, height, CHANNELS[kind]))


def unfiltered(data, width, height, channels):
    """Yields the colours of each row without the filters of PNG. Transparency is dropped."""
    stride, before = width * channels, bytes(width * channels)
    for row in range(height):
        start = row * (stride + 1)
        line = bytearray(data[start + 1:start + 1 + stride])
        undo_filter(data[start], line, before, channels)
        before = line
        yield list(zip(*(line[channel::channels] for channel in range(3))))


def undo_filter(kind, line, above, channels):
    """Restores the bytes of a line, of which each differs from a prediction by its neighbours."""
    if kind == 0:
        return
    for position, value in enumerate(line):
        left = line[position - channels] if position >= channels else 0
        up, corner = above[position], above[position - channels] if position >= channels else 0
        predicted = (left, up, (left + up) // 2, paeth(left, up, corner))[kind - 1]
        line[position] = (value + predicted) & 255


def paeth(left, up, corner):
    estimate = left + up - corner
    return min((left, up, corner), key=lambda neighbour: abs(estimate - neighbour))


def encode(width, rows):
    """Returns a picture with the most frequent colours, of which each other colour gets the nearest."""
    counts = collections.Counter(colour for row in rows for colour in row)
    palette = [colour for colour, _ in counts.most_common(COLOURS)]
    index = {colour: nearest(colour, palette) for colour in counts}
    lines = b"".join(b"\0" + bytes(index[colour] for colour in row) for row in rows)
    header = struct.pack(">IIBBBBB", width, len(rows), 8, 3, 0, 0, 0)
    colours = bytes(channel for colour in palette for channel in colour)
    chunks = [(b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")]
    return SIGNATURE + b"".join(chunk(name, content) for name, content in chunks)


def nearest(colour, palette):
    distance = lambda known: sum((one - other) ** 2 for one, other in zip(colour, palette[known]))
    return min(range(len(palette)), key=distance)


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


if __name__ == "__main__":
    main()
