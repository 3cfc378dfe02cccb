"""One conversation turn: a request read in whatever dialect, the committee, the server's tools, the answer written.

`turn.Turns` is the door; `dialect` says what a dialect has to offer, and `schema` is the one reader behind all of them.
docs/architecture.md has the map. Imports the committee and the tools, jobs, artifacts and the database; no HTTP.
"""
