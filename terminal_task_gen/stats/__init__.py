"""Statistics of runs: counted from the shards, set beside the paper's figures, drawn, written as a page."""
