"""The procedural preview renderer: pictures drawn from a spec, without any model."""
