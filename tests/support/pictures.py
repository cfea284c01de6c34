"""Pictures of pages that are small enough for a repository: PNG with a palette of 256 colours.

shrink(page, path)
"""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

from playwright.sync_api import Page

#: The browser reads the picture and says which colour of 256 each pixel has: the most frequent
#: ones stay as they are, any other becomes the nearest of them.
_INDEX = """async given => {
  const image = new Image();
  image.src = "data:image/png;base64," + given;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height), brush = canvas.getContext("2d");
  brush.drawImage(image, 0, 0);
  const pixels = new Uint32Array(brush.getImageData(0, 0, image.width, image.height).data.buffer);
  const count = new Map(), parts = colour => [colour & 255, colour >> 8 & 255, colour >> 16 & 255];
  for (const colour of pixels) count.set(colour, (count.get(colour) || 0) + 1);
  const ranked = [...count.keys()].sort((a, b) => count.get(b) - count.get(a));
  const palette = ranked.slice(0, 256).map(parts), place = new Map();
  for (const colour of ranked) {
    const [r, g, b] = parts(colour);
    let best = 0, least = Infinity;
    palette.forEach(([x, y, z], at) => {
      const far = (r - x) ** 2 + (g - y) ** 2 + (b - z) ** 2;
      if (far < least) { least = far; best = at; }
    });
    place.set(colour, best);
  }
  let text = "";
  const bytes = Uint8Array.from(pixels, colour => place.get(colour));
  for (let at = 0; at < bytes.length; at += 32768)
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return {width: image.width, height: image.height, palette, index: btoa(text)};
}"""


def shrink(page: Page, path: Path) -> None:
    """Write a picture anew with a palette; `page` is a blank one to work on."""
    found = page.evaluate(_INDEX, base64.b64encode(path.read_bytes()).decode())
    width, height = found["width"], found["height"]
    index = base64.b64decode(found["index"])
    # Each row begins with the number of its filter; 0 is none, which suits a palette best.
    rows = b"".join(b"\0" + index[at : at + width] for at in range(0, width * height, width))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + _part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + _part(b"PLTE", bytes(value for colour in found["palette"] for value in colour))
        + _part(b"IDAT", zlib.compress(rows, 9))
        + _part(b"IEND", b"")
    )


def _part(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )
