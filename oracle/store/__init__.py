"""SQLAlchemy adapters: SQLite (WAL) by default, PostgreSQL by URL."""
