"""The command line: each command parses, builds a configuration, makes one call and prints a summary."""
