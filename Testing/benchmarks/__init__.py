"""Speed and memory: `python -m Testing.benchmarks [NAME...]`, or `make bench`."""
