"""Where the models plan, compare and agree.

Offers `Committee` and the narrow port `ChatBackend` that every member speaks through. Imports nothing of ours: tools
and jobs reach it as values and callbacks.
"""
