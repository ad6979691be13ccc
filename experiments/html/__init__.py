"""A study's report as one HTML page: no network, no library, the same bytes from the same results.

`write_page(Material(...), directory)` writes it; `page.css` and `page.js` stand beside the code.
"""

from __future__ import annotations

from experiments.html.page import Material, write_page

__all__ = ["Material", "write_page"]
