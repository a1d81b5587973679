"""Run by Alembic: applies the migrations on the connection of oracle.store.database."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
