//! A fake of BigQuery's REST service, for the behaviour that the emulator lacks.
//!
//! It follows <https://cloud.google.com/bigquery/docs/reference/rest>: job ids are unique, a job is
//! found only in its own location, jobs and queries take time, results are paginated, and calls can
//! be rejected. It does not run SQL: a test sets the result of the queries. The exception is the
//! list of tables of a dataset, `__TABLES__`.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{StatusCode, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use google_cloud::CloudSettings;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// The location of the datasets. It is not the default, so a job lookup must name it.
pub const LOCATION: &str = "europe-west1";

/// The fake service on a local port. Dropping it closes the port.
pub struct BigQueryFake {
    address: SocketAddr,
    state: Arc<Mutex<Contents>>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Contents {
    now: u64,
    calls: usize,
    rejections: VecDeque<(u16, Option<Reason>)>,
    lost_responses: usize,
    failures: VecDeque<Reason>,
    running_polls: usize,
    polls: usize,
    queries: Vec<String>,
    pages: Vec<Vec<Value>>,
    jobs: BTreeMap<String, Job>,
    tables: BTreeMap<String, Table>,
}

struct Job {
    ended_at: u64,
    failure: Option<Reason>,
}

struct Table {
    changed_at: u64,
    rows: String,
}

/// The reason of a rejected call or a failed job: a code such as `accessDenied`, and its message.
pub type Reason = (&'static str, &'static str);

impl BigQueryFake {
    /// Starts the service on a free port, with empty datasets.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(Contents::default()));
        let router = Router::new()
            .route(
                "/upload/bigquery/v2/projects/{project}/jobs",
                post(insert_job),
            )
            .route("/bigquery/v2/projects/{project}/jobs/{job}", get(get_job))
            .route(
                "/bigquery/v2/projects/{project}/datasets/{dataset}",
                get(get_dataset),
            )
            .route(
                "/bigquery/v2/projects/{project}/datasets/{dataset}/tables/{table}",
                get(get_table),
            )
            .route("/bigquery/v2/projects/{project}/queries", post(query))
            .route(
                "/bigquery/v2/projects/{project}/queries/{job}",
                get(query_results),
            )
            .layer(middleware::from_fn_with_state(Arc::clone(&state), reject))
            .with_state(Arc::clone(&state));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            state,
            server,
        }
    }

    /// Returns cloud settings with this service as the BigQuery emulator.
    pub fn cloud(&self) -> CloudSettings {
        let emulator = format!("http://{}", self.address).parse().unwrap();
        CloudSettings {
            bigquery_emulator: Some(emulator),
            ..CloudSettings::default()
        }
    }

    /// Rejects the next `times` calls with a status. Without a reason, the body is plain text, as
    /// from a proxy.
    pub fn refuse(&self, times: usize, status: u16, reason: Option<Reason>) {
        self.state
            .lock()
            .unwrap()
            .rejections
            .extend(std::iter::repeat_n((status, reason), times));
    }

    /// Runs the next uploads, but returns status 503.
    pub fn lose_responses(&self, times: usize) {
        self.state.lock().unwrap().lost_responses = times;
    }

    /// Fails the next `times` new jobs.
    pub fn fail_jobs(&self, times: usize, reason: Reason) {
        self.state
            .lock()
            .unwrap()
            .failures
            .extend(std::iter::repeat_n(reason, times));
    }

    /// Reports every job and query as running for the first `times` polls.
    pub fn delay_completion(&self, times: usize) {
        self.state.lock().unwrap().running_polls = times;
    }

    /// Sets the result of every query: pages of rows, each a list of cells.
    pub fn set_query_pages(&self, pages: Vec<Vec<Value>>) {
        self.state.lock().unwrap().pages = pages;
    }

    /// Returns the statements of all queries except those of `__TABLES__`.
    pub fn queries(&self) -> Vec<String> {
        self.state.lock().unwrap().queries.clone()
    }

    /// Advances the service's clock. Each job takes one second.
    pub fn pass(&self, seconds: u64) {
        self.state.lock().unwrap().now += seconds * 1_000;
    }

    /// Deletes a table, as an operator might.
    pub fn delete_table(&self, name: &str) {
        self.state.lock().unwrap().tables.remove(name);
    }

    /// Returns the loaded rows of the table `DATASET.TABLE`.
    pub fn table(&self, name: &str) -> Option<String> {
        self.state
            .lock()
            .unwrap()
            .tables
            .get(name)
            .map(|table| table.rows.clone())
    }

    /// Returns the ids of all jobs.
    pub fn jobs(&self) -> Vec<String> {
        self.state.lock().unwrap().jobs.keys().cloned().collect()
    }

    /// Returns the number of calls so far.
    pub fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }
}

impl Drop for BigQueryFake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Shared = State<Arc<Mutex<Contents>>>;

async fn reject(State(state): Shared, request: Request, next: Next) -> Response {
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

async fn insert_job(State(state): Shared, Path(project): Path<String>, body: String) -> Response {
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
        service.tables.insert(
            name,
            Table {
                changed_at: now,
                rows: rows.to_owned(),
            },
        );
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

async fn get_job(
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

async fn get_dataset() -> Json<Value> {
    Json(json!({ "kind": "bigquery#dataset", "location": LOCATION }))
}

async fn get_table(
    State(state): Shared,
    Path((project, dataset, table)): Path<(String, String, String)>,
) -> Response {
    let service = state.lock().unwrap();
    match service.tables.get(&format!("{dataset}.{table}")) {
        Some(found) => {
            Json(json!({ "lastModifiedTime": found.changed_at.to_string() })).into_response()
        }
        None => error(
            404,
            "notFound",
            &format!("Not found: Table {project}:{dataset}.{table}"),
        ),
    }
}

async fn query(
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
    service.polls = 0;
    service.queries.push(sql.to_owned());
    describe_results(&mut service, 0).into_response()
}

/// Lists the tables between two names: name, time of the last change, and current time.
fn list_tables(service: &Contents, sql: &str) -> Json<Value> {
    let mut names = sql.split('\'').skip(1).step_by(2);
    let (first, last) = (names.next().unwrap(), names.next().unwrap());
    let row = |(name, table): (&String, &Table)| {
        let name = name
            .strip_prefix("bike_traffic_raw.")
            .filter(|name| (first..=last).contains(name))?;
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

async fn query_results(
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
