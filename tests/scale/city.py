"""A city of a given size: its sample data, its daily tables, and its open data service."""

import csv
import datetime
import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# The fixed test set begins on this day, and the live data end on the last one, a Sunday.
TEST_START = datetime.date(2021, 5, 16)
LAST_DAY = datetime.date(2021, 8, 22)
WEEK = "2021-W33"
# With 521 days and 560 counters, the training file has 7 million rows.
TRAIN_DAYS = 521
# The days with tables: those that a forecast and its correction need, and the live days before.
TABLE_DAYS = 95

RAW = "bike_traffic_raw"
TABLE = [
    "comptage_horaire", "date_et_heure_de_comptage", "identifiant_du_compteur", "nom_du_compteur",
    "coordonnees_geographiques", "ingestion_ts",
]
INGESTED_AT = "2021-08-23 04:00:00 UTC"


class City:
    """The data of one size, in a folder of its own."""

    def __init__(self, folder, counters, train_days=TRAIN_DAYS):
        self.folder, self.counters, self.train_days = folder, counters, train_days
        self.state = folder / "state"
        self.train, self.test, self.live = (
            folder / "data" / f"{name}.csv.gz" for name in ("train_baseline", "test_baseline", "live")
        )

    def sample_arguments(self):
        """Returns the arguments of `bike-traffic sample-data`."""
        first_day = TEST_START - datetime.timedelta(days=self.train_days)
        return [
            "sample-data", "--counters", self.counters, "--first-day", first_day, "--train-days", self.train_days,
            "--out", self.folder / "data", "--json",
        ]

    def write_tables(self):
        """Writes the daily tables up to the day before the last one, and keeps the rows of the last."""
        folder = self.state / "warehouse" / RAW
        folder.mkdir(parents=True, exist_ok=True)
        first = LAST_DAY - datetime.timedelta(days=TABLE_DAYS - 1)
        days = {}
        for path in (self.test, self.live):
            for row in read(path):
                if row["day"] >= first:
                    days.setdefault(row["day"], []).append(row)
        self.last_day_rows = days.pop(LAST_DAY)
        for day, rows in days.items():
            with (folder / f"daily_{day:%Y%m%d}.csv").open("w", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(TABLE)
                writer.writerows([row["count"], row["hour"], row["id"], row["name"], row["coordinates"], INGESTED_AT] for row in rows)

    def reply(self):
        """Returns the reply of the open data service for the last day."""
        records = []
        for row in self.last_day_rows:
            latitude, longitude = map(float, row["coordinates"].split(","))
            records.append({
                "id_compteur": row["id"],
                "nom_compteur": row["name"],
                "sum_counts": int(row["count"]),
                "date": row["hour"].replace(" UTC", "+00:00").replace(" ", "T"),
                "coordinates": {"lon": longitude, "lat": latitude},
            })
        return records


def read(path):
    """Returns the rows of an export, with their hour in UTC and their day in Paris."""
    hours = {}
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            text = row["Date et heure de comptage"]
            if text not in hours:
                local = datetime.datetime.fromisoformat(text)
                hours[text] = (local.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC"), local.date())
            hour, day = hours[text]
            yield {
                "count": row["Comptage horaire"],
                "hour": hour,
                "day": day,
                "id": row["Identifiant du compteur"],
                "name": row["Nom du compteur"],
                "coordinates": row["Coordonnées géographiques"],
            }


class OpenData:
    """An open data service that answers each request with the same records."""

    def __init__(self, records):
        self.body = body = json.dumps(records).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()

    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"
