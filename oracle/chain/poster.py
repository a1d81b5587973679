"""Poster: the only module that signs and sends transactions."""
