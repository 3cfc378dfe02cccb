"""Is a committee worth its cost? A simulation of the real protocol, and the evaluation of recorded answers.

python -m benchmarks.committee simulate [--items N] [--json FILE]
python -m benchmarks.committee replay FILE
"""
