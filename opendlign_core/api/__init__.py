"""The roof of the core: its rooms put together for people who write Python. No room knows it."""
