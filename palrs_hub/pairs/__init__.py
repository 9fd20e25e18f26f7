"""Preference pairs: what they are, where they are read from, how they are split."""

from palrs_hub.pairs.pair import Message, PairSet, PreferencePair, parse_pair
from palrs_hub.pairs.read import read_pairs
from palrs_hub.pairs.split import split_pairs

__all__ = ["Message", "PairSet", "PreferencePair", "parse_pair", "read_pairs", "split_pairs"]
