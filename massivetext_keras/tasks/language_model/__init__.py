"""Causal language models: texts that go on, and chats."""
