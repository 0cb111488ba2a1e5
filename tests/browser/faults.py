"""Pages with one fault each, which the checks must find: a check that finds nothing proves nothing."""

import pathlib
import tempfile

PAGE = '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">' \
    '<title>A page</title><style>{style}</style></head><body>{body}</body></html>'
SVG = '<svg role="img" aria-label="A chart" width="200" height="40" style="display:block">{}</svg>'

# The fault, the words with which a check reports it, and the page: its style sheet and its body.
FAULTS = [
    ("an element wider than the window", "overflow", "", '<div style="width:1400px">wide</div>'),
    ("an element left of the window", "overflow", "", '<div style="position:absolute;left:-40px">left</div>'),
    ("text that is cut", "cut", "", '<p style="width:60px;overflow:hidden;white-space:nowrap">a long line of text</p>'),
    ("a table that scrolls", "scroll", "", '<div style="width:90px;overflow-x:auto"><p style="width:200px">wide</p></div>'),
    ("labels that cover each other", "overlap", "", SVG.format('<text x="9" y="20">first</text><text x="19" y="20">second</text>')),
    ("a label below its chart", "outside", "", f'<figure style="margin:0">{SVG.format("<text x=9 y=80>low</text>")}</figure>'),
    ("grey text", "contrast", "", '<p style="color:#8d8d8d">grey</p>'),
    ("transparent text", "contrast", "", '<p style="opacity:.5"><b style="color:#444">pale</b></p>'),
    ("dark text in a dark scheme", "dark: contrast", "@media(prefers-color-scheme:dark){body{background:#111}}", "<p>dark</p>"),
    ("a grey label", "contrast", "", SVG.format('<text x="9" y="20" fill="#999">grey</text>')),
    ("a label on a dark shape", "contrast", "", SVG.format('<rect width="90" height="40" fill="#333"/><text x="9" y="20">dark</text>')),
    ("grey text in a folded part", "unfolded: contrast", "", '<details><summary>More</summary><p style="color:#999">grey</p></details>'),
    ("grey text on paper", "printed: contrast", "@media print{p{color:#999}}", "<p>grey</p>"),
    ("a chart without a text alternative", "alternative", "", '<svg role="img" width="9" height="9"></svg>'),
    ("a chart without a table", "alternative", "", f"<section><figure>{SVG.format('')}</figure></section>"),
    ("a missing value", "value", "", "<p>The error is NaN.</p>"),
    ("a link to nothing", "link", "", '<a href="missing.html">a page</a>'),
    ("a link to a missing part", "link", "", '<a href="#missing">a part</a>'),
    ("a message in the console", "console", "", "<script>console.log('a message')</script>"),
    ("an exception", "console", "", "<script>throw new Error('a failure')</script>"),
    ("a request to a network", "network", "", '<img alt="" src="http://example.invalid/a.png">'),
    ("a request for a file", "network", "@font-face{font-family:x;src:url(a.woff)}p{font-family:x}", "<p>text</p>"),
    ("a large page", "size", "", f"<!--{' ' * 300_000}-->"),
]


def missed_faults(faults_of):
    """Returns the faults that `faults_of`, which takes a page's path, does not report."""
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder, "reports", "page.html")
        page.parent.mkdir()
        page.write_text(PAGE.format(style="@media screen{:root{color-scheme:light dark}}", body="<p>Text</p>"))
        missed += [f"a page without faults to be one: {fault}" for fault in faults_of(page)]
        for fault, words, style, body in FAULTS:
            page.write_text(PAGE.format(style=style, body=body))
            if not any(words in found for found in faults_of(page)):
                missed.append(fault)
    return missed
