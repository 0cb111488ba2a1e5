//! Load jobs, which replace a table atomically.
//!
//! Load jobs are free of charge. Unlike `TRUNCATE` and `INSERT`, they never expose a partially
//! replaced table.

use gcp_bigquery_client::model::error_proto::ErrorProto;
use reqwest::{StatusCode, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::warehouse::schema::Column;

use super::{
    failure::Failure,
    rows::Rows,
    service::{PollBackoff, Service, Table},
};
use crate::Attempts;

/// The maximum number of job ids that one call tries. Other calls continue with later ids.
const MAX_IDS_PER_CALL: usize = 20;
/// The boundary between the parts of an upload. Each line of JSON starts with a brace, so rows
/// cannot contain it.
const BOUNDARY: &str = "job-and-rows";

impl Service {
    /// Replaces a table with `rows`; creates the table if it does not exist.
    ///
    /// The job id is derived from the table and from the rows without their ingestion time. A
    /// request that is repeated after a lost response, by this call or by another delivery of the
    /// event, therefore does not load twice: BigQuery rejects the second job with 409, and this
    /// method checks the first one. If the table already contains the rows, it keeps their first
    /// ingestion time.
    ///
    /// A job that has failed, or whose rows were replaced by others, uses its id up: the next one
    /// has a higher number. While the outcome of a job is unknown, its id is used again.
    pub(super) async fn load(
        &self,
        table: &Table,
        columns: &[Column],
        rows: &Rows,
    ) -> Result<(), Failure> {
        let configuration = configuration(table, columns);
        let name = job_name(table, &configuration, &rows.digest);
        let mut attempts = Attempts::new(|| format!("load into {table}"));
        let mut number = 1;
        for _ in 0..MAX_IDS_PER_CALL {
            let id = job_id(&name, number);
            match self.run(table, &configuration, &rows.lines, &id).await? {
                Outcome::Loaded => return Ok(()),
                Outcome::Failed(failure) => {
                    attempts.pause(failure, Failure::is_retryable).await?;
                    number += 1;
                }
                Outcome::Stale => {
                    let last = self.last_used(table, &name, number).await?;
                    // The outcome of the last job is checked before its id counts as used up.
                    number = if last == number { number + 1 } else { last };
                }
            }
        }
        Err(Failure::Used {
            id: job_id(&name, number),
        })
    }

    /// Returns the last number with a job, given one that has a job.
    ///
    /// Numbers have no gaps, so a search with doubled steps, then halved ones, finds the last of a
    /// thousand with 20 calls.
    async fn last_used(&self, table: &Table, name: &str, used: u32) -> Result<u32, Failure> {
        let location = self.job_location(table).await?;
        let (mut used, mut free, mut step) = (used, None, 1);
        loop {
            let number = match free {
                None => used.saturating_add(step),
                Some(free) if used + 1 == free => return Ok(used),
                Some(free) => used + (free - used) / 2,
            };
            let reference = JobReference {
                job_id: job_id(name, number),
                location: location.clone(),
            };
            match self.job(&reference).await {
                Ok(_) => used = number,
                Err(failure) if failure.is_status(StatusCode::NOT_FOUND) => free = Some(number),
                Err(failure) => return Err(failure),
            }
            step = step.saturating_mul(2);
        }
    }

    /// Runs a job, or returns the outcome of the earlier job with the same id.
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
                let is_current =
                    job.failure().is_none() && self.is_untouched_since(table, &job).await?;
                Ok(if is_current {
                    Outcome::Loaded
                } else {
                    Outcome::Stale
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

    /// Waits until a job is done.
    async fn wait(&self, mut job: Job) -> Result<Job, Failure> {
        let mut backoff = PollBackoff::begin();
        while job.status.state != "DONE" {
            backoff.pause(&job.job_reference.job_id).await?;
            job = self.job(&job.job_reference).await?;
        }
        Ok(job)
    }

    async fn earlier_job(&self, table: &Table, id: &str) -> Result<Job, Failure> {
        self.job(&JobReference {
            job_id: id.to_owned(),
            location: self.job_location(table).await?,
        })
        .await
    }

    /// Returns the location of the load jobs of a table.
    async fn job_location(&self, table: &Table) -> Result<Option<String>, Failure> {
        if self.location.is_some() {
            return Ok(self.location.clone());
        }
        // Jobs are looked up in the US by default; these ran in the location of their dataset.
        let dataset = self.get(&format!("/datasets/{}", table.dataset));
        Ok(self.send::<Dataset>(dataset).await?.location)
    }

    async fn job(&self, reference: &JobReference) -> Result<Job, Failure> {
        let request = self.get(&format!("/jobs/{}", reference.job_id));
        let location = reference
            .location
            .as_ref()
            .map(|location| ("location", location));
        self.send(request.query(&location.as_slice())).await
    }

    /// Returns `true` if a table has not been replaced or deleted since a job loaded it.
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
        // If a time is missing, loading again is safe.
        Ok(changed
            .zip(loaded)
            .is_some_and(|(changed, loaded)| changed <= loaded))
    }
}

/// The outcome of a job.
enum Outcome {
    /// The table contains the rows.
    Loaded,
    /// The job ran and failed.
    Failed(Failure),
    /// The id belongs to an earlier job, and the table does not contain its rows.
    Stale,
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

/// Derives the job id, which may contain only ASCII alphanumerics, `-`, and `_`.
fn job_name(table: &Table, configuration: &Value, rows_digest: &[u8]) -> String {
    let digest = Sha256::new()
        .chain_update(configuration.to_string())
        .chain_update(rows_digest)
        .finalize();
    format!("{}-{}-{digest:x}", table.dataset, table.name)
}

/// Returns the id of the job with a number; the first has none.
fn job_id(name: &str, number: u32) -> String {
    if number == 1 {
        name.to_owned()
    } else {
        format!("{name}-{number}")
    }
}

/// The fields of a job in use.
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
        // Without `errorResult`, `errors` contains only warnings.
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

/// The reference in the response may differ from the requested one, because the emulator assigns
/// its own ids.
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

/// Parses an instant of BigQuery's resources: milliseconds since 1970, as a string.
fn milliseconds(text: &Option<String>) -> Option<i64> {
    text.as_deref()?.parse().ok()
}
