//! Load jobs: a table is replaced as one step, or not at all.
//!
//! Load jobs cost nothing, and nobody sees a table half replaced, as between `TRUNCATE` and `INSERT`.

use backon::BackoffBuilder;
use gcp_bigquery_client::model::error_proto::ErrorProto;
use reqwest::{StatusCode, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::warehouse::schema::Column;
use tokio::time::sleep;

use super::{
    failure::Failure,
    rows::Rows,
    service::{PollBackoff, Service, Table},
};

/// How many jobs may have loaded the same rows into the same table, with other rows or failures in between.
const MOST_IDS: u32 = 20;
/// What is between the parts of an upload. All lines of JSON begin with a brace, so none is taken for it.
const BOUNDARY: &str = "job-and-rows";

impl Service {
    /// Replaces a table by `rows`, and makes it where there is none.
    ///
    /// The job's id is derived from the table and from what the rows say but for when they were written. So a request that
    /// is repeated since its answer was lost, by this call or by another delivery of the event, does not load again:
    /// BigQuery refuses the second job of an id with 409, and the first one is looked at instead. Where the table holds the
    /// rows already, the times in it stay those of their first writing.
    pub(super) async fn load(
        &self,
        table: &Table,
        columns: &[Column],
        rows: &Rows,
    ) -> Result<(), Failure> {
        let configuration = configuration(table, columns);
        let name = job_name(table, &configuration, &rows.digest);
        let mut backoff = crate::backoff().build().zip(1..);
        for number in 1..=MOST_IDS {
            let id = if number == 1 {
                name.clone()
            } else {
                format!("{name}-{number}")
            };
            match self.run(table, &configuration, &rows.lines, &id).await? {
                Outcome::Loaded => return Ok(()),
                Outcome::Failed(failure) if failure.is_retryable() => {
                    let Some((pause, attempt)) = backoff.next() else {
                        return Err(failure);
                    };
                    crate::log_retry(&format!("a load into {table}"), attempt, &failure, pause);
                    sleep(pause).await;
                }
                Outcome::Failed(failure) => return Err(failure),
                Outcome::Past => {}
            }
        }
        Err(Failure::Used {
            id: format!("{name}-{MOST_IDS}"),
        })
    }

    /// Runs the job of an id, or finds out what became of it.
    async fn run(
        &self,
        table: &Table,
        configuration: &Value,
        rows: &[u8],
        id: &str,
    ) -> Result<Outcome, Failure> {
        match self.insert(configuration, rows, id).await {
            Ok(job) => {
                let job = self.wait(job).await?;
                Ok(job.failure().map_or(Outcome::Loaded, Outcome::Failed))
            }
            Err(failure) if failure.is_status(StatusCode::CONFLICT) => {
                let job = self.wait(self.earlier_job(table, id).await?).await?;
                let holds = job.failure().is_none() && self.is_untouched_since(table, &job).await?;
                Ok(if holds {
                    Outcome::Loaded
                } else {
                    Outcome::Past
                })
            }
            Err(failure) => Err(failure),
        }
    }

    async fn insert(&self, configuration: &Value, rows: &[u8], id: &str) -> Result<Job, Failure> {
        let mut job = json!({
            "jobReference": { "projectId": self.project.as_str(), "jobId": id },
            "configuration": configuration,
        });
        if let Some(location) = &self.location {
            job["jobReference"]["location"] = json!(location);
        }
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{job}\r\n\
             --{BOUNDARY}\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(rows);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let request = self
            .upload("/jobs?uploadType=multipart")
            .header(
                CONTENT_TYPE,
                format!("multipart/related; boundary={BOUNDARY}"),
            )
            .body(body);
        self.send(request).await
    }

    /// Waits for the end of a job.
    async fn wait(&self, mut job: Job) -> Result<Job, Failure> {
        let mut backoff = PollBackoff::begin();
        while job.status.state != "DONE" {
            backoff.pause(&job.job_reference.job_id).await?;
            job = self.job(&job.job_reference).await?;
        }
        Ok(job)
    }

    async fn earlier_job(&self, table: &Table, id: &str) -> Result<Job, Failure> {
        let location = match &self.location {
            Some(location) => Some(location.clone()),
            // A job is looked for in the United States unless told otherwise. It ran where its dataset is.
            None => {
                self.send::<Dataset>(self.get(&format!("/datasets/{}", table.dataset)))
                    .await?
                    .location
            }
        };
        self.job(&JobReference {
            job_id: id.to_owned(),
            location,
        })
        .await
    }

    async fn job(&self, reference: &JobReference) -> Result<Job, Failure> {
        let request = self.get(&format!("/jobs/{}", reference.job_id));
        let location = reference
            .location
            .as_ref()
            .map(|location| ("location", location));
        self.send(request.query(&location.as_slice())).await
    }

    /// Tells whether a table still is what a job has made of it; it may have been replaced by other rows or deleted.
    async fn is_untouched_since(&self, table: &Table, job: &Job) -> Result<bool, Failure> {
        let found = self.get(&format!(
            "/datasets/{}/tables/{}",
            table.dataset, table.name
        ));
        let table = match self.send::<TableState>(found).await {
            Err(failure) if failure.is_status(StatusCode::NOT_FOUND) => return Ok(false),
            found => found?,
        };
        let (changed, loaded) = (
            milliseconds(&table.last_modified_time),
            milliseconds(&job.statistics.end_time),
        );
        // Where it is not said, loading once more does no harm.
        Ok(changed
            .zip(loaded)
            .is_some_and(|(changed, loaded)| changed <= loaded))
    }
}

/// What became of the job of an id.
enum Outcome {
    /// The table holds the rows.
    Loaded,
    /// The job was run and failed.
    Failed(Failure),
    /// The id was used before, and the table does not hold the rows, or not any more.
    Past,
}

fn configuration(table: &Table, columns: &[Column]) -> Value {
    json!({
        "load": {
            "destinationTable": table.reference(),
            "schema": { "fields": columns },
            "sourceFormat": "NEWLINE_DELIMITED_JSON",
            "createDisposition": "CREATE_IF_NEEDED",
            "writeDisposition": "WRITE_TRUNCATE",
        },
    })
}

/// Derives the job's id: letters, digits, `-` and `_`, since no other is allowed.
fn job_name(table: &Table, configuration: &Value, rows_digest: &[u8]) -> String {
    let digest = Sha256::new()
        .chain_update(configuration.to_string())
        .chain_update(rows_digest)
        .finalize();
    format!("{}-{}-{digest:x}", table.dataset, table.name)
}

/// The part of a job that says how it is doing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    job_reference: JobReference,
    status: JobStatus,
    #[serde(default)]
    statistics: JobStatistics,
}

impl Job {
    fn failure(&self) -> Option<Failure> {
        // Without a result the errors are warnings.
        let result = self.status.error_result.clone()?;
        let reasons = std::iter::once(result)
            .chain(self.status.errors.iter().cloned())
            .collect();
        Some(Failure::Job {
            id: self.job_reference.job_id.clone(),
            reasons,
        })
    }
}

/// The emulator gives jobs ids of its own: what was asked for is not what is to be asked after.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobReference {
    job_id: String,
    location: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobStatus {
    state: String,
    error_result: Option<ErrorProto>,
    #[serde(default)]
    errors: Vec<ErrorProto>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobStatistics {
    end_time: Option<String>,
}

#[derive(Deserialize)]
struct Dataset {
    location: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TableState {
    last_modified_time: Option<String>,
}

/// Reads an instant as BigQuery's resources have it: milliseconds since 1970, in quotes.
fn milliseconds(text: &Option<String>) -> Option<i64> {
    text.as_deref()?.parse().ok()
}
