"""Steering beside preference training: the same pairs, model, machine and run for every arm.

``make bench-alignment`` runs it in an environment of its own and renders ``docs/alignment.md``.
"""
