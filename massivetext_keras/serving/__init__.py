"""An HTTP server over exports and presets: what TensorFlow Serving answers, and what
clients of OpenAI's interface ask."""
