"""Plays a recording in the terminal."""
