"""PostgreSQL: tables, connections, versions, index rows, audit."""
