"""What benchmarks/engine.py is made of: the task, the peers, the bound, the rounds and the report."""
