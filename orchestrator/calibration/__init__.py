"""Measures the committee on the user's own models: the questions, their grading, and the examination itself.

`questions` has them all, `grading` says what an answer amounts to, `examination` asks. The figures and the gate table
are made in `committee.measurement`.
"""
