"""Turns judged trajectories into a corpus that trainers load: rows, shards, report, dataset card."""
