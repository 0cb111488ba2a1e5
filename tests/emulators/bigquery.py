"""Starts bqemulator without its download of DuckDB's `spatial` extension, which only GEOGRAPHY columns need."""

from bqemulator.cli import main
from bqemulator.storage.engine import DuckDBEngine

DuckDBEngine._load_spatial = lambda self: None

if __name__ == "__main__":
    main()
