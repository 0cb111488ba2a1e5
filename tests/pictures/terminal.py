"""Runs a command in a terminal of 80 columns and draws what it prints as SVG.

    terminal.py --out FILE --prompt TEXT [--from PATTERN] -- COMMAND...

The picture begins with the prompt. With --from, it goes on with the last line that matches the
pattern. The working folder is shown as `…`, so that a picture names no folder of one machine.
Standard error is passed on. Requires Linux, and Python 3.11 without packages.
"""

import argparse
import fcntl
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import termios
from xml.sax.saxutils import escape

COLUMNS = 80
CHARACTER_WIDTH, LINE_HEIGHT, PADDING, BAR = 7.8, 18, 16, 30
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
STYLE = f"text {{ font: 13px {FONT}; fill: #d5dbe3; white-space: pre; }} .prompt {{ fill: #7ee0a1; }}"
ELLIPSIS = "[…]"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--from", dest="first", type=re.compile)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    lines = run(arguments.command).replace(os.getcwd(), "/…").splitlines()
    arguments.out.write_text(svg(arguments.prompt, shown(lines, arguments.first)))


def run(command):
    """Returns the output of a command in a terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=slave)
    os.close(slave)
    output = b""
    while True:
        try:
            read = os.read(master, 1 << 16)
        except OSError:
            # The terminal is closed.
            break
        if not read:
            break
        output += read
    if process.wait() != 0:
        sys.exit(f"cannot draw {' '.join(command)}: exit code {process.returncode}")
    return output.decode()


def shown(lines, first):
    """Returns the lines from the last one that matches a pattern."""
    if first is None:
        return lines
    matching = [position for position, line in enumerate(lines) if first.search(line)]
    if not matching:
        sys.exit(f"cannot draw the output: no line matches {first.pattern}")
    return [ELLIPSIS, *lines[matching[-1]:]]


def svg(prompt, lines):
    """Returns a window with the prompt and the lines."""
    width = round(COLUMNS * CHARACTER_WIDTH + 2 * PADDING)
    height = BAR + PADDING + LINE_HEIGHT * (len(lines) + 1)
    drawn = [text(0, f"$ {prompt}", ' class="prompt"')]
    drawn += [text(row, line) for row, line in enumerate(lines, 1) if line.strip()]
    buttons = [f'<circle cx="{PADDING + 20 * number}" cy="{BAR // 2}" r="6" fill="{colour}"/>' for number, colour in
               enumerate(["#ee6a5f", "#f5bd4f", "#61c454"])]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        'aria-labelledby="title">',
        f'<title id="title">The terminal after {escape(prompt)}</title>',
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#15191e"/>',
        *buttons,
        *drawn,
        "</svg>\n",
    ])


def text(row, line, attributes=""):
    """Returns a line of text. Its length is given, so that columns align with each font."""
    line = line.rstrip()
    indent = len(line) - len(line.lstrip())
    x = PADDING + indent * CHARACTER_WIDTH
    length = (len(line) - indent) * CHARACTER_WIDTH
    y = BAR + LINE_HEIGHT * (row + 1) - 5
    return f'<text x="{x:.1f}" y="{y}" textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs" xml:space="preserve"' \
        f"{attributes}>{escape(line[indent:])}</text>"


if __name__ == "__main__":
    main()
