"""Starts bqemulator with changes that the tests need.

- It does not download DuckDB's `spatial` extension, which only GEOGRAPHY columns need.
- `__TABLES__` lists the tables of a dataset, with their types and the time of the last load job of each.
- `EXPORT DATA` uploads its objects to the Cloud Storage emulator at STORAGE_EMULATOR_HOST. bqemulator
  itself only writes them to a local folder.
"""

import os
import pathlib
import re
import urllib.parse
import urllib.request

from bqemulator.cli import main
from bqemulator.jobs import executor
from bqemulator.sql import inner_query
from bqemulator.storage.engine import DuckDBEngine

TABLES = re.compile(r"`(?P<project>[\w-]+)\.(?P<dataset>\w+)\.__TABLES__`")

expand_information_schema = inner_query.expand_information_schema
refresh_load_row_count = executor._refresh_load_row_count
write_export = executor.write_export


def expand_with_tables(sql, project, catalog):
    """Replaces `__TABLES__` by a list of tables. An unknown dataset remains an error."""

    def rows(match):
        if catalog.get_dataset(match["project"], match["dataset"]) is None:
            return match[0]
        selects = ["SELECT '' AS table_id, 0 AS last_modified_time, 0 AS `type` WHERE FALSE"]
        for table in catalog.list_tables(match["project"], match["dataset"]):
            kind = 1 if table.table_type == "TABLE" else 2
            selects.append(f"SELECT '{table.table_id}', {int(table.last_modified_time.timestamp() * 1000)}, {kind}")
        return f"({' UNION ALL '.join(selects)})"

    return expand_information_schema(TABLES.sub(rows, sql), project, catalog)


def record_load(job, context):
    """Records the time of a load job. Runs after the rows are loaded."""
    table = context.catalog.get_table(job.project_id, job.dataset_id, job.table_id)
    if table is not None:
        context.catalog.update_table(table.model_copy(update={"last_modified_time": context.clock.now()}))
    return refresh_load_row_count(job, context)


def write_and_upload(rows, options, context):
    """Uploads the objects of an export."""
    outcome = write_export(rows, options, context)
    storage = os.environ["STORAGE_EMULATOR_HOST"]
    for uri in outcome.uris:
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        contents = pathlib.Path(executor._resolve_uri(uri, context)).read_bytes()
        query = urllib.parse.urlencode({"uploadType": "media", "name": name})
        upload = f"{storage}/upload/storage/v1/b/{bucket}/o?{query}"
        urllib.request.urlopen(urllib.request.Request(upload, data=contents, method="POST")).close()
    return outcome


DuckDBEngine._load_spatial = lambda self: None
inner_query.expand_information_schema = expand_with_tables
executor._refresh_load_row_count = record_load
executor.write_export = write_and_upload

if __name__ == "__main__":
    main()
