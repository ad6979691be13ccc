"""Attacks that are only text: from a world and a harmful question to what is asked instead.

prefix          the first tokens of a true answer, and the exact chance of guessing the rest
forged          turns that nobody took, and verdicts that nobody gave
shots           benign questions that were answered before
rewording       the question in other words, from another asker, for another reader
decomposition   harmless questions whose answers together are the harmful one
"""
