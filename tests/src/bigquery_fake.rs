//! A fake of BigQuery's REST service, for the behaviour that the emulator lacks.
//!
//! It follows <https://cloud.google.com/bigquery/docs/reference/rest>: job ids are unique, a job is
//! found only in its own location, jobs and queries take time, results are paginated, and calls can
//! be rejected. It does not run SQL: a test sets the result of the queries. The exceptions are the
//! list of tables of a dataset, `__TABLES__`, and the schema of queries of `daily_202107*` or another
//! prefix.
//!
//! Such a query has the schema of the matching table that was created last, whatever its condition. A
//! name that this table lacks is unrecognized, and a matching view is an error. See
//! <https://cloud.google.com/bigquery/docs/querying-wildcard-tables>. Replacing the rows of a table
//! replaces its schema, but does not create it again.

mod handlers;

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router, middleware,
    routing::{get, post},
};
use google_cloud::CloudSettings;
use serde_json::{Value, json};
use shared::warehouse::schema::Column;
use tokio::{net::TcpListener, task::JoinHandle};

use self::handlers::{get_dataset, get_job, get_table, insert_job, query, query_results, reject};

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
    /// The number of tables created so far.
    created: usize,
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
    /// The number of tables created before this one.
    created: usize,
    changed_at: u64,
    rows: String,
    /// The columns, as in the schema of the load job.
    fields: Value,
    is_view: bool,
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

    /// Creates the table `DATASET.TABLE` with a column `note` only, as an operator might.
    pub fn create_foreign_table(&self, name: &str) {
        self.create(name, note_column(), false);
    }

    /// Creates the empty table `DATASET.TABLE` with columns, as another version of the program.
    pub fn create_table(&self, name: &str, columns: &[Column]) {
        self.create(name, json!(columns), false);
    }

    /// Creates the view `DATASET.TABLE`.
    pub fn create_view(&self, name: &str) {
        self.create(name, note_column(), true);
    }

    fn create(&self, name: &str, fields: Value, is_view: bool) {
        let mut service = self.state.lock().unwrap();
        let changed_at = service.now;
        service.tables.remove(name);
        service.replace_table(name, fields, String::new(), changed_at);
        service.tables.get_mut(name).unwrap().is_view = is_view;
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

impl Contents {
    /// Replaces schema and rows of a table, and creates the table if it does not exist.
    fn replace_table(&mut self, name: &str, fields: Value, rows: String, changed_at: u64) {
        let known = self.tables.get(name).map(|table| table.created);
        let table = Table {
            created: known.unwrap_or(self.created),
            changed_at,
            rows,
            fields,
            is_view: false,
        };
        self.created += 1;
        self.tables.insert(name.to_owned(), table);
    }
}

fn note_column() -> Value {
    json!([{ "name": "note", "type": "STRING", "mode": "NULLABLE" }])
}

impl Drop for BigQueryFake {
    fn drop(&mut self) {
        self.server.abort();
    }
}
