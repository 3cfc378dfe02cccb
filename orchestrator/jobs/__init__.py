"""Durable work: the job rows, their queue, their events."""
