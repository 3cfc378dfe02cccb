"""Real third-party clients, installed and pointed at a real server: `python -m tests.clients`.

Not part of the test suite: it installs hundreds of megabytes of other people's programs. The models behind the server
are scripted stand-ins (`tests.clients.coder`); everything else is real.
"""
