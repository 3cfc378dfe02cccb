"""The servers and stand-ins behind the `ChatBackend` port: Ollama, any OpenAI-compatible server, offline rules."""
