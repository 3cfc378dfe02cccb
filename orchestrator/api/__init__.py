"""Routes: HTTP in, our errors out in OpenAI's shape."""
