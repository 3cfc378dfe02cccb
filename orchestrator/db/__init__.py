"""Postgres: the embedded server, the bounded pool, the migrations.

Offers `Database` (pool.py), `migrate` (migrations.py), `EmbeddedPostgres` (embedded.py) and `Listener` (listener.py).
Imports only telemetry, settings and errors.
"""
