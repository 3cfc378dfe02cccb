"""Durable work: the job rows, their queue, their events.

A job is accepted in one transaction, run by some worker, resumed at its last finished stage after a crash, and ends in
exactly one terminal state. Offers `Job`, `JobKind`, `JobFailed` (model.py), `JobStore` (store.py), `JobContext`
(context.py), `Worker` (worker.py), `JobEvents` (events.py) and `Farm` (farm.py), the child processes in which handlers
do what takes a CPU for long. Imports db, telemetry, settings and errors.
"""
