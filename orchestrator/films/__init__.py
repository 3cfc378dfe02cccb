"""Film-2: from a request to a watchable film, stage by stage."""
