"""The command line: one command, one file; nothing heavy is imported until a command runs."""
