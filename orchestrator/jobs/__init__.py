"""Durable work: the job rows, their queue, their events.

A job is accepted in one transaction, run by some worker, resumed at its last finished stage after a crash, and ends in
exactly one terminal state. Offers `Job`, `JobKind`, `JobFailed` (model.py), `JobStore` (store.py), `JobContext`
(context.py), `Worker` (worker.py) and `JobEvents` (events.py). Imports db, telemetry, settings and errors.
"""
