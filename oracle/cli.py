"""Command line: ddlp."""
