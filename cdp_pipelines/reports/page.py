"""The frame of every page: one file that loads nothing, and a policy that forbids a browser to load anything.

Here belongs what all pages share. What a page says stands in the module of that page.
"""

from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path


def render_page(title: str, body: str, styles: tuple[Path, ...], script: str = "") -> str:
    """A whole page from the HTML of its body, style sheets in order, and a script of its own."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    scripts = f"; script-src 'sha256-{digest}'" if script else ""
    style = "".join(path.read_text(encoding="utf-8") for path in styles)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'{scripts}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
{body}
{f"<script>{script}</script>" if script else ""}</body>
</html>
"""
