"""The names that custom models of Neptune ML import; on the path of their scripts alone.

It imports torch, numpy, scikit-learn and DGL, and nothing of neptuneml_plugin, so that scripts may run in an
environment of their own.
"""
