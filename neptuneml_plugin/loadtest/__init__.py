"""`neptuneml loadtest`: what an endpoint can take, by configuration, and which configuration to give it.

It asks workers as any caller does (`docs/wire.md`) and imports none of their code.
"""
