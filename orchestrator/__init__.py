"""HTTP, durable jobs, media work and the wiring of it all.

Its doors are the command line (`orchestrator.cli`) and the HTTP API (`orchestrator.app`).
"""
