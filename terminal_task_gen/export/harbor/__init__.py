"""Tasks and trajectories as Harbor keeps them: task directories and ATIF files."""
