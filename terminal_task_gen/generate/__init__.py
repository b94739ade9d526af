"""Requests become tasks: enumerate, ask the author, read its draft, gate it, let the author mend it, or say why not."""
