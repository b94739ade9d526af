"""Terminal-Task-Gen: tasks, rollouts and a filtered corpus for training terminal agents. Importing it does nothing."""

__version__ = "0.1.0"
