"""Rules over finished trajectories. Views, not deletions: they read records and give findings, and write nothing."""
