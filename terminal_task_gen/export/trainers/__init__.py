"""Rows as trainers read them: chat turns in their shapes, tables, and the recipe beside the data."""
