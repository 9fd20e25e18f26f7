"""Steering in other engines: baked checkpoints, llama.cpp, vLLM, and the test that it works there.

Nearly every engine fails in silence: it loads what it was given and goes on unsteered. So what is
written for an engine carries a self-test, which tells a steered engine from an unsteered one.
"""
