//! The handlers of the REST methods, and the bodies of their responses.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{
    Json,
    extract::{Path, Request, State},
    http::{StatusCode, Uri},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use shared::warehouse::schema;

use super::{Contents, Job, LOCATION, Table};

type Shared = State<Arc<Mutex<Contents>>>;

pub(super) async fn reject(State(state): Shared, request: Request, next: Next) -> Response {
    let rejection = {
        let mut service = state.lock().unwrap();
        service.calls += 1;
        service.rejections.pop_front()
    };
    match rejection {
        None => next.run(request).await,
        Some((status, Some((reason, message)))) => error(status, reason, message),
        Some((status, None)) => proxy_error(status),
    }
}

pub(super) async fn insert_job(
    State(state): Shared,
    Path(project): Path<String>,
    body: String,
) -> Response {
    let (job, rows) = read_upload(&body);
    let id = job["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let load = &job["configuration"]["load"];
    assert_eq!(
        load["writeDisposition"], "WRITE_TRUNCATE",
        "the fake supports no other write disposition"
    );
    if is_in_another_location(&job["jobReference"]) {
        return error(
            404,
            "notFound",
            &format!("Not found: Dataset {project}:bike_traffic_raw"),
        );
    }
    let mut service = state.lock().unwrap();
    if service.jobs.contains_key(&id) {
        return error(
            409,
            "duplicate",
            &format!("Already Exists: Job {project}:{LOCATION}.{id}"),
        );
    }
    service.now += 1_000;
    let (now, failure) = (service.now, service.failures.pop_front());
    if failure.is_none() {
        let text = |name: &str| load["destinationTable"][name].as_str().unwrap().to_owned();
        let name = format!("{}.{}", text("datasetId"), text("tableId"));
        let fields = load["schema"]["fields"].clone();
        service.replace_table(&name, fields, rows.to_owned(), now);
    }
    service.jobs.insert(
        id.clone(),
        Job {
            ended_at: now,
            failure,
        },
    );
    if service.lost_responses > 0 {
        service.lost_responses -= 1;
        return proxy_error(503);
    }
    service.polls = 0;
    describe_job(&mut service, &id).into_response()
}

pub(super) async fn get_job(
    State(state): Shared,
    Path((project, id)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    let mut service = state.lock().unwrap();
    if !service.jobs.contains_key(&id) || parameter(&uri, "location").as_deref() != Some(LOCATION) {
        return error(404, "notFound", &format!("Not found: Job {project}:{id}"));
    }
    describe_job(&mut service, &id).into_response()
}

pub(super) async fn get_dataset() -> Json<Value> {
    Json(json!({ "kind": "bigquery#dataset", "location": LOCATION }))
}

pub(super) async fn get_table(
    State(state): Shared,
    Path((project, dataset, table)): Path<(String, String, String)>,
) -> Response {
    let service = state.lock().unwrap();
    match service.tables.get(&format!("{dataset}.{table}")) {
        Some(found) => Json(json!({
            "lastModifiedTime": found.changed_at.to_string(),
            "schema": { "fields": found.fields },
        }))
        .into_response(),
        None => error(
            404,
            "notFound",
            &format!("Not found: Table {project}:{dataset}.{table}"),
        ),
    }
}

pub(super) async fn query(
    State(state): Shared,
    Path(project): Path<String>,
    Json(query): Json<Value>,
) -> Response {
    if is_in_another_location(&query) {
        return error(
            404,
            "notFound",
            &format!("Not found: Dataset {project}:bike_traffic_raw"),
        );
    }
    let (mut service, sql) = (state.lock().unwrap(), query["query"].as_str().unwrap());
    if sql.contains("__TABLES__") {
        return list_tables(&service, sql).into_response();
    }
    if let Some(message) = wildcard_error(&service, &project, sql) {
        return error(400, "invalidQuery", &message);
    }
    service.polls = 0;
    service.queries.push(sql.to_owned());
    describe_results(&mut service, 0).into_response()
}

/// Returns the error of a query of `daily_…*` that matches a view, or that names a column which the
/// matching table created last does not have. A table with the prefix alone does not match.
fn wildcard_error(service: &Contents, project: &str, sql: &str) -> Option<String> {
    let (_, rest) = sql.split_once("FROM `")?;
    let (prefix, _) = rest.split_once("*`")?;
    let (_, prefix) = prefix.split_once('.')?;
    let matching: Vec<(&String, &Table)> = service
        .tables
        .iter()
        .filter(|(name, _)| name.starts_with(prefix) && name.len() > prefix.len())
        .collect();
    if let Some((view, _)) = matching.iter().find(|(_, table)| table.is_view) {
        return Some(format!(
            "Views cannot be queried through prefix. First view {project}:{view}."
        ));
    }
    let (_, newest) = matching.iter().max_by_key(|(_, table)| table.created)?;
    let names: BTreeSet<&str> = sql
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .collect();
    let has = |name: &str| {
        let mut fields = newest.fields.as_array().unwrap().iter();
        fields.any(|field| field["name"] == name)
    };
    let columns = schema::COUNTS.iter().chain(&schema::FORECASTS);
    columns
        .map(|column| column.name)
        .find(|name| names.contains(name) && !has(name))
        .map(|name| format!("Unrecognized name: {name} at [1:8]"))
}

/// Lists the tables between two names, without views: name, time of the last change, and current
/// time.
fn list_tables(service: &Contents, sql: &str) -> Json<Value> {
    let table = sql.split('`').nth(1).unwrap();
    let dataset = table.split('.').nth(1).unwrap();
    let mut names = sql.split('\'').skip(1).step_by(2);
    let (first, last) = (names.next().unwrap(), names.next().unwrap());
    let row = |(name, table): (&String, &Table)| {
        let name = name
            .strip_prefix(dataset)?
            .strip_prefix('.')
            .filter(|name| (first..=last).contains(name) && name.len() == first.len())
            .filter(|_| !table.is_view)?;
        let cells = [
            name.to_owned(),
            table.changed_at.to_string(),
            service.now.to_string(),
        ];
        Some(json!({ "f": cells.map(|cell| json!({ "v": cell })) }))
    };
    let rows: Vec<_> = service.tables.iter().filter_map(row).collect();
    Json(json!({ "jobReference": { "jobId": "a-list" }, "jobComplete": true, "rows": rows }))
}

pub(super) async fn query_results(
    State(state): Shared,
    Path((_, job)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    if job != "a-query" || parameter(&uri, "location").as_deref() != Some(LOCATION) {
        return error(404, "notFound", &format!("Not found: Job {job}"));
    }
    let page = parameter(&uri, "pageToken").map_or(0, |token| {
        token.trim_start_matches("page-").parse().unwrap()
    });
    describe_results(&mut state.lock().unwrap(), page).into_response()
}

/// Returns `true` if a job names another location than that of the datasets.
fn is_in_another_location(job: &Value) -> bool {
    job["location"]
        .as_str()
        .is_some_and(|location| location != LOCATION)
}

fn describe_job(service: &mut Contents, id: &str) -> Json<Value> {
    let reference = json!({ "projectId": "p", "jobId": id, "location": LOCATION });
    service.polls += 1;
    if service.polls <= service.running_polls {
        return Json(
            json!({ "jobReference": reference, "status": { "state": "RUNNING" }, "statistics": {} }),
        );
    }
    let job = &service.jobs[id];
    let status = match job.failure {
        None => json!({ "state": "DONE" }),
        Some((reason, message)) => {
            let error = json!({ "reason": reason, "message": message });
            json!({ "state": "DONE", "errorResult": error, "errors": [error, { "reason": "invalid", "message": "row 7" }] })
        }
    };
    let statistics = json!({ "endTime": job.ended_at.to_string() });
    Json(json!({ "jobReference": reference, "status": status, "statistics": statistics }))
}

fn describe_results(service: &mut Contents, page: usize) -> Json<Value> {
    let reference = json!({ "projectId": "p", "jobId": "a-query", "location": LOCATION });
    service.polls += 1;
    if service.polls <= service.running_polls {
        return Json(json!({ "jobReference": reference, "jobComplete": false }));
    }
    let cells = |row: &Value| {
        row.as_array()
            .unwrap()
            .iter()
            .map(|cell| json!({ "v": cell }))
            .collect::<Vec<_>>()
    };
    let rows = |page: &Vec<Value>| {
        page.iter()
            .map(|row| json!({ "f": cells(row) }))
            .collect::<Vec<_>>()
    };
    let total: usize = service.pages.iter().map(Vec::len).sum();
    let mut results =
        json!({ "jobReference": reference, "jobComplete": true, "totalRows": total.to_string() });
    // The service omits the field `rows` of an empty result.
    if let Some(found) = service.pages.get(page) {
        results["rows"] = rows(found).into();
    }
    if page + 1 < service.pages.len() {
        results["pageToken"] = format!("page-{}", page + 1).into();
    }
    Json(results)
}

fn error(status: u16, reason: &str, message: &str) -> Response {
    let errors = json!([{ "domain": "global", "reason": reason, "message": message }]);
    let body = json!({ "error": { "code": status, "message": message, "errors": errors, "status": "UNSPECIFIED" } });
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn proxy_error(status: u16) -> Response {
    (
        StatusCode::from_u16(status).unwrap(),
        "upstream connect error",
    )
        .into_response()
}

/// Splits a `multipart/related` body into the job and the rows.
fn read_upload(body: &str) -> (Value, &str) {
    let (boundary, rest) = body.split_once("\r\n").unwrap();
    let end = format!("\r\n{boundary}");
    let mut parts = rest.split(&end).map(|part| part.split_once("\r\n\r\n"));
    let (Some(Some((_, job))), Some(Some((_, rows)))) = (parts.next(), parts.next()) else {
        panic!("the upload does not have two parts: {body}")
    };
    (serde_json::from_str(job).unwrap(), rows)
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
        .next()
}
