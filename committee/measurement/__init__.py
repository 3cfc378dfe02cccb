"""Whether a committee is worth its cost: recorded answers, the policies that could have been used on them, statistics.

Nothing here asks a model. `records` is the file format, `policies` decides from recorded answers, `report` compares,
`statistics` says how sure that is.
"""
