"""Shared by the apps of the Spaces: show errors, and serve a page that fetches nothing from elsewhere."""

from __future__ import annotations

import html
import os
from typing import Any

# Set before Gradio is imported, because Gradio reads it at import.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

_CSS = """
.gradio-container { width: 100% !important; max-width: 1100px !important; margin: auto !important; }
.results { contain: inline-size; overflow-x: auto; }
.results table { border: 0 !important; }
.results :is(td, th) { border: 0 !important; padding: .25em .9em .25em 0 !important; }
.results :is(td, th) { vertical-align: middle !important; text-wrap: nowrap; }
.results tr { border: 0 !important; border-bottom: 1px solid var(--border-color-primary) !important; }
.fault { border-left: 4px solid #c2410c; padding: .3em .8em; overflow-wrap: anywhere; }
.signatures { overflow-wrap: anywhere; margin: .8em 0 !important; }
.signatures dt { font-weight: 600; margin-top: .5em; }
/* On a phone an interval is shown in words only, next to its figure; names and texts take several lines. */
@media (max-width: 640px) {
  .results :is(td, th) { padding-right: .5em !important; }
  .results :is(td, th):is(:first-child, :last-child) { text-wrap: wrap; overflow-wrap: anywhere; min-width: 5.5em; }
  .results svg, .results tr:has(> :nth-child(6)) > :is(:nth-child(4), :nth-child(5)) { display: none !important; }
}
"""


def fault_html(error: BaseException | str) -> str:
    """Return an error as one line of HTML."""
    return f'<p class="fault" role="alert">{html.escape(str(error))}</p>'


def results(content: str) -> str:
    """Return HTML that scrolls sideways in a narrow window, such as on a phone."""
    return f'<div class="results" tabindex="0">{content}</div>'


def serve(page: Any) -> None:
    """Serve a `gradio.Blocks` until it is stopped, in the fonts of the reader's system."""
    import gradio as gr

    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    page.launch(theme=theme, css=_CSS, max_file_size="50mb", footer_links=["gradio"], ssr_mode=False)
