"""Still pictures on the preview renderer."""
