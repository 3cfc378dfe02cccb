"""Film-2: from a request to a watchable film, stage by stage.

plan → breakdown → storyboard → animatic → final → post → qc → export, each a checkpoint of one durable job. Offers
`film_kind` (the job), `FilmStore` (the manifests in Postgres) and the planners. Pictures come from
`orchestrator.preview`; all drawing, sound and measuring happens in child processes, never in the event loop.
"""
