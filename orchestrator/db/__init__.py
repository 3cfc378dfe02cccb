"""Postgres: the embedded server, the bounded pool, the migrations."""
