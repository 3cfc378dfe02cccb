"""How a conversation meets the members' windows: token estimates, the packer, and what of a long talk is shown.

Pure functions of their arguments: no clock, no network, the same input gives the same bytes.
"""
