#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets from the fixtures of the repository.

Usage: python3 fuzz/make_seeds.py
"""

import base64
import json
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEEDS = ROOT / "fuzz/seeds"
STATE = ROOT / "tests/fixtures/previous-version"
MODELS = STATE / "objects/models/bike-traffic"
XGBOOST = ROOT / "shared/xgboost/tests/fixtures"

FRENCH = (
    "Identifiant du compteur;Nom du compteur;Comptage horaire;"
    "Date et heure de comptage;Coordonnées géographiques\n"
)
EVENT_ID = "drift-check/2021-W30"


def write(target, name, content):
    path = SEEDS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def addresses():
    for name, text in {
        "memory": "memory://",
        "file": "file:///var/lib/bike-traffic/../état",
        "bucket": "gs://bike-traffic-dev",
        "bigquery": "bigquery://example.com:bike-traffic",
        "pubsub": "pubsub://bike-traffic-dev",
        "mlflow": "https://zoe:secret@mlflow.example:443/a/../b?x#y",
        "mlflow_ipv6": "http://[::1]:5000",
        "path": "models/bike-traffic/champion-2021-05-15/model.ubj",
        "path_invalid": "a/../.b//c\\d\n",
        "event_id": "ingest/2021-07-19@2021-08-01T09-00-00.5Z-forced",
        "topic": "fine-tune-dead-letter",
        "data_set": "train-2021-05-15-2d61d31d",
        "unicode": "gs://vélo/\u0085\u2028",
    }.items():
        write("address", name, text)


def counts():
    table = STATE / "warehouse/bike_traffic_raw/daily_20210719.csv"
    write("counts_csv", "table", "".join(table.open().readlines()[:12]))
    features = ROOT / "shared/forecasting/tests/fixtures/features/counts.csv"
    write("counts_csv", "french", "".join(features.open().readlines()[:12]))
    row = "1;Quai {};{};{};48.85,2.35\n"
    for name, rows in {
        "quotes": [
            '1;"Quai; ""Nord""";5;2021-07-19T00:00:00+02:00;"48.85, 2.35"\n',
            '1;"Quai;5;2021-07-19T01:00:00+02:00;\n',
            '"";"";7;2021-07-19T02:00:00+02:00;"{""lon"": 2.3, ""lat"": 48.8}"\n',
        ],
        "clock_changes": [
            row.format("A", 0, "2021-03-28T03:00:00+02:00"),
            row.format("A", 7, "2021-03-28T03:00:00+02:00"),
            row.format("A", 5, "2021-03-28 02:00"),
            row.format("A", 5, "2020-10-25 02:00"),
            row.format("A", 6, "2020-10-25 02:00"),
            row.format("B", 6, "2020-10-25T02:00:00+01:00"),
        ],
        "numbers": [
            row.format("A", number, f"2021-07-19T{hour:02}:00:00Z")
            for hour, number in enumerate(["155,0", "1\u202f234", "1,234", "1.5e1", "-3", "50001", ""])
        ],
        "years": [
            row.format("A", 1, "2010-01-01T00:00:00+14:00"),
            row.format("A", 1, "2009-12-31T23:00:00Z"),
            row.format("A", 1, "2049-12-31T23:00:00Z"),
            row.format("A", 1, "2025-12-31T23:00:00Z"),
        ],
        "shared_names": [
            "111;Quai;30;2021-07-19T00:00:00Z;\n",
            "222;Quai;10;2021-07-19T00:00:00Z;\n",
            "2  2;Quai (111);10;2021-07-19T01:00:00Z;\n",
            ";quai\u2014;0;2021-07-19T01:00:00Z;\n",
        ],
        "damaged": ["\ufeff\n", "1;Quai\n", '"\n', "1;Quai;5;;\n", "a\rb\r"],
    }.items():
        write("counts_csv", name, FRENCH + "".join(rows))
    write("counts_csv", "cp1252", (FRENCH.replace(";", ",") + "1,Écluse,5,2021-07-19T00:00:00Z,\n").encode("cp1252"))
    write("counts_csv", "carriage_returns", (FRENCH + row.format("A", 5, "2021-07-19 00:00")).replace("\n", "\r"))
    write("counts_csv", "byte_order_mark", "\ufeff" + FRENCH + row.format("A", 5, "2021-07-19 00:00:00 +0200"))
    write("counts_csv", "no_column", "Nom du compteur;Date\nQuai;2021-07-19T00:00:00Z\n")


def envelopes():
    fixtures = ROOT / "shared/runtime/src/fixtures"
    push = (fixtures / "push.json").read_text()
    write("envelope", "push", push)
    write("envelope", "push_emulator", (fixtures / "push-emulator.json").read_text())
    write(
        "envelope",
        "unwrapped",
        "x-goog-pubsub-message-id: 7\nx-goog-pubsub-publish-time: 2021-07-20T04:00:00.123Z\n"
        'x-goog-pubsub-attr-origin: scheduler\n\n{"type":"ingest-requested"}',
    )
    write("envelope", "unwrapped_bare", '{"type":"ingest-requested"}')
    kind = "google.cloud.pubsub.topic.v1.messagePublished"
    write("envelope", "cloud_event_binary", f"ce-type: {kind}\nce-id: 1\nce-time: 2021-07-20T04:00:00Z\n\n{push}")
    message = {"message": {"data": "e30=", "messageId": "1", "attributes": {"first_published_at": "2021-07-19T04:00:00Z"}}}
    event = {"specversion": "1.0", "type": kind, "id": "1", "source": "//pubsub", "time": "2021-07-20T04:00:00Z"}
    as_text = event | {"data": compact(message)}
    as_base64 = event | {"data_base64": base64.b64encode(compact(message).encode()).decode()}
    write("envelope", "cloud_event_structured", compact(event | {"data": message}))
    write("envelope", "cloud_event_base64", f"content-type: application/cloudevents+json\n\n{compact(as_base64)}")
    batch = "content-type: application/cloudevents-batch+json; charset=utf-8\n\n"
    events = [event | {"data": message}, as_text, as_base64, event, event | {"type": "other"}, 7]
    write("envelope", "cloud_event_batch", batch + compact(events))
    write("envelope", "cloud_event_batch_truncated", batch + compact(events)[:-1])
    background = {"context": {"eventId": "1", "timestamp": "2021-07-20T04:00:00Z"}, "data": message["message"]}
    write("envelope", "background", compact(background))
    write("envelope", "no_base64", '{"message":{"data":"%%%"}}')
    write("envelope", "no_json", b"\xff{")


def events():
    for name, event in {
        "ingest_requested": {"type": "ingest-requested"},
        "ingest_requested_range": {"type": "ingest-requested", "from": "2021-07-19", "to": "20210721", "again": "2021-08-01T09:00:00.5Z", "force": True},
        "day_ingested": {"type": "day-ingested", "event_id": "ingest/2021-07-19", "day": "2021-07-19", "rows": 1344},
        "drift_check_requested": {"type": "drift-check-requested", "week": "2020-W53"},
        "drift_check_signed_week": {"type": "drift-check-requested", "week": "+021-W+3"},
        "drift_detected": {"type": "drift-detected", "event_id": EVENT_ID, "week": "2021-W30", "champion": 3, "report": "reports/drift-check/2021-W30.json", "major": False},
        "fine_tune_requested": {"type": "fine-tune-requested", "week": "2021-W35", "reason": "la rentrée", "strategy": "append", "recipe": {"epochs": 5, "freeze_layers": None}, "requested_at": "2021-09-06T05:00:00.5Z"},
        "challenger_trained": {"type": "challenger-trained", "event_id": "fine-tune/2021-W30", "week": "2021-W30", "champion": 3, "challenger": 4},
        "challenger_evaluated": {"type": "challenger-evaluated", "event_id": "evaluate/2021-W30", "week": "2021-W30", "champion": 3, "challenger": 4, "evaluation": "evaluations/2021-W30.json"},
        "champion_decided": {"type": "champion-decided", "event_id": "promote/2021-W30", "champion": 4, "challenger": 4, "promoted": True, "reason": "écart -5 %"},
    }.items():
        write("events", name, compact(event))
    write("events", "two_types", '{"type":"day-ingested","type":"ingest-requested"}')


def replies():
    records = json.loads((ROOT / "shared/src/open_data/fixtures/records.json").read_text())
    write("explore_reply", "records", "2025-12-31\n" + json.dumps(records))
    write("explore_reply", "export", "2025-12-31\n" + json.dumps(records["results"]))
    record = {"id_compteur": "100\n1", "nom_compteur": " Quai  A", "sum_counts": 5, "date": "2021-07-19T00:00:00+00:00"}
    invalid = [
        record,
        record | {"id_compteur": "200", "sum_counts": 6},
        record | {"sum_counts": None},
        record | {"sum_counts": 1.5},
        record | {"date": "tomorrow"},
        record | {"date": "2021-07-19T22:00:00+00:00"},
        "invalid",
    ]
    write("explore_reply", "invalid_records", compact(invalid))
    clocks = [record | {"date": date} for date in ("2020-10-25T02:00:00+02:00", "2020-10-25T02:00:00+01:00", "2020-10-25 02:00")]
    write("explore_reply", "clock_change", "2020-10-25\n" + compact(clocks))
    write("explore_reply", "changed_schema", compact([{"name": "Quai", "count": 5}]))
    write("explore_reply", "error", '{"error_code":"ODSQLError"}')
    write("explore_reply", "page", "<html>")
    write("explore_reply", "truncated", compact(invalid)[:-9])
    write("explore_reply", "two_lists", '{"results":[1],"results":[2,3]}')


def models():
    folder = MODELS / "champion-2021-08-22-1dbc70c5"
    card = (folder / "card.json").read_bytes()
    booster = (folder / "model.ubj").read_bytes()
    write("model_card", "champion", card + b"\0" + booster)
    write("model_card", "altered", card + b"\0" + booster[:400])
    write("model_card", "card", (MODELS / "fine-tune-2021-W30/card.json").read_bytes())
    changed = json.loads(card)
    changed["features"]["counters"] = ["Quai \ufe58 O\u2033", "Écluse"]
    write("model_card", "unfolded_counters", compact(changed))
    write("model_card", "no_card", b"{}\0{}")

    write("ubj", "squared_error", (XGBOOST / "squared_error.ubj").read_bytes())
    length = lambda number: b"L" + number.to_bytes(8, "big")
    arrays = b"{" + length(1) + b"a[#" + length(2) + b"[i\x01i\x02][$d#" + length(1) + b"\x3f\0\0\0}"
    write("ubj", "arrays", arrays)
    write("ubj", "long_count", b"{" + length(1) + b"a[$L#" + length(2**62))
    write("ubj", "nested", b"{" + (length(0) + b"{") * 80)
    write("ubj", "empty", b"{}")
    write("ubj", "json", b'{"a": [1, 2.5e1], "b\\"]": null} \n')
    write("ubj", "json_nested", b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}")


def policies():
    for name, text in {
        "default": "{}",
        "guarded": '{"promotion":"guarded","drift_columns":["comptage_horaire"],"drift_share":1}',
        "drift_share": '{"drift_share":1.01}',
        "minimum_days": '{"fine_tune_minimum_days":24}',
        "days": '{"fine_tune_days":2147483647,"fresh_holdout_days":-2147483648}',
        "fine_tune_recipe": '{"learning_rate":0.02,"epochs":10,"freeze_layers":200}',
        "fine_tune_strategy": '{"strategy":"leaf-refit","base_model":"champion_v3","freeze_layers":false,"decay":0.7}',
        "train_recipe": '{"rounds":500,"learning_rate":3e-2,"early_stopping_rounds":20,"device":"cuda"}',
        "week": "2020-W53",
        "week_first": "0000-W01",
        "week_signed": "+021-W+3",
        "day": "2021-03-28",
        "day_last": "9999-12-31",
        "day_compact": "20210719",
        "hour": "2021-07-19T00:00:00+02:00",
        "hour_local": "2020-10-25 02:00",
        "hour_last": "2049-12-31T23:00:00Z",
        "timestamp": "2021-07-19T00:00:00.123456789-03:30",
    }.items():
        write("policy", name, text)


def stored():
    objects = STATE / "objects"
    for path in [
        "data/baseline.json",
        "data/baselines/train-2021-08-22-9c3f824b.json",
        "evaluations/2021-W30.json",
        "ledger/evaluate/fine-tune/2021-W30.json",
        "ledger/predict/ingest/2021-07-19.json",
        "ledger/predict/ingest/2021-08-23.json",
    ]:
        write("stored", path.removesuffix(".json").replace("/", "-"), (objects / path).read_bytes())
    topics = STATE / "bus/bus/topics"
    for number in ["000000000", "000000001"]:
        write("stored", f"dead-letter-{number}", (topics / f"ingest-dead-letter/{number}.json").read_bytes())
    registry = json.loads((STATE / "registry/registry/bike-traffic-champion.json").read_text())
    write("stored", "model-version", json.dumps(registry["versions"][0]))
    large = {"attributes": {"origin": "é" * 600, "first_published_at": "2021-08-01T05:00:00Z"}, "base64": "/w=="}
    write("stored", "offloaded", compact(large))
    row = {
        "timestamp": "2021-08-02T05:00:00Z", "function": "promote", "event_id": "evaluate/2021-W30", "env": "dev",
        "decision": "kept", "reason": "not better", "mae": 15.52, "detail": {"limit": 1e300, "rows": 18446744073709551616},
    }
    write("stored", "audit-row", compact(row))


def main():
    shutil.rmtree(SEEDS, ignore_errors=True)
    for make in (addresses, counts, envelopes, events, replies, models, policies, stored):
        make()
    size = sum(path.stat().st_size for path in SEEDS.rglob("*") if path.is_file())
    print(f"{sum(1 for path in SEEDS.rglob('*') if path.is_file())} seeds, {size} bytes")


if __name__ == "__main__":
    main()
