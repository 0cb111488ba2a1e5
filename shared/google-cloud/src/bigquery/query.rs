//! Queries with paged results.

use gcp_bigquery_client::model::{
    get_query_results_parameters::GetQueryResultsParameters, job_reference::JobReference,
    query_parameter::QueryParameter, query_parameter_type::QueryParameterType,
    query_parameter_value::QueryParameterValue, query_request::QueryRequest,
    query_response::QueryResponse, table_row::TableRow,
};
use shared::warehouse::{schema::ColumnType, tables::RowError};

use super::{
    failure::Failure,
    service::{PollBackoff, Service},
};

/// The maximum number of rows per page. A page of counts takes about 12 MB of memory, and BigQuery
/// limits a page to 10 MB of JSON anyway.
const PAGE_ROWS: i32 = 20_000;
/// The time that the service waits for the end of a query before it responds that the query is
/// still running.
const RESPONSE_TIMEOUT_MS: i32 = 10_000;

impl Service {
    /// Runs a query and passes each row to `on_row`, page by page.
    pub(super) async fn read(
        &self,
        sql: &str,
        parameters: Vec<QueryParameter>,
        mut on_row: impl FnMut(TableRow) -> Result<(), RowError> + Send,
    ) -> Result<(), Failure> {
        let mut pages = self.query(sql, parameters).await?;
        while let Some(rows) = pages.next().await? {
            rows.into_iter().try_for_each(&mut on_row)?;
        }
        Ok(())
    }

    /// Runs a query, waits for its end, and returns its pages.
    ///
    /// The request has an id, which the service remembers for 15 minutes. A request that is
    /// repeated after a lost response therefore finds the first job.
    pub(super) async fn query(
        &self,
        sql: &str,
        parameters: Vec<QueryParameter>,
    ) -> Result<Pages<'_>, Failure> {
        let mut request = QueryRequest::new(sql);
        request.parameter_mode = Some("NAMED".to_owned());
        request.query_parameters = Some(parameters);
        request.request_id = Some(format!("{:032x}", rand::random::<u128>()));
        request.location.clone_from(&self.location);
        request.max_results = Some(PAGE_ROWS);
        request.timeout_ms = Some(RESPONSE_TIMEOUT_MS);
        let call = || async {
            valid(
                self.client
                    .job()
                    .query(self.project.as_str(), request.clone())
                    .await?,
            )
        };
        let mut response = with_retries("query", call).await?;
        let job = response.job_reference.take().unwrap_or_default();
        let mut backoff = PollBackoff::begin();
        while !response.job_complete.unwrap_or_default() {
            backoff
                .pause(job.job_id.as_deref().unwrap_or_default())
                .await?;
            response = self.results(&job, None).await?;
        }
        Ok(Pages {
            service: self,
            job,
            rows: response.rows,
            token: response.page_token,
        })
    }

    async fn results(
        &self,
        job: &JobReference,
        token: Option<&str>,
    ) -> Result<QueryResponse, Failure> {
        let id = job
            .job_id
            .as_deref()
            .ok_or(Failure::Incomplete { what: "job id" })?;
        let parameters = GetQueryResultsParameters {
            location: job.location.clone(),
            max_results: Some(PAGE_ROWS),
            page_token: token.map(str::to_owned),
            timeout_ms: Some(RESPONSE_TIMEOUT_MS),
            ..GetQueryResultsParameters::default()
        };
        let call = || async {
            let results =
                self.client
                    .job()
                    .get_query_results(self.project.as_str(), id, parameters.clone());
            valid(results.await?.into())
        };
        with_retries("results of a query", call).await
    }
}

/// The pages of a result. Each page is fetched on demand, so only one is in memory.
pub(super) struct Pages<'a> {
    service: &'a Service,
    job: JobReference,
    rows: Option<Vec<TableRow>>,
    token: Option<String>,
}

impl Pages<'_> {
    /// Returns the next page, or `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<TableRow>>, Failure> {
        if let Some(rows) = self.rows.take() {
            return Ok(Some(rows));
        }
        let Some(token) = self.token.take() else {
            return Ok(None);
        };
        let response = self.service.results(&self.job, Some(&token)).await?;
        self.token = response.page_token;
        Ok(Some(response.rows.unwrap_or_default()))
    }
}

/// Returns a query parameter; it is NULL without a value.
pub(super) fn parameter(name: &str, kind: ColumnType, value: Option<String>) -> QueryParameter {
    QueryParameter {
        name: Some(name.to_owned()),
        parameter_type: Some(QueryParameterType {
            r#type: kind.name().to_owned(),
            ..QueryParameterType::default()
        }),
        parameter_value: Some(QueryParameterValue {
            value,
            ..QueryParameterValue::default()
        }),
    }
}

/// Calls the client with the retry policy of [`crate::send`]; the client itself does not retry.
async fn with_retries<F>(name: &str, call: impl Fn() -> F) -> Result<QueryResponse, Failure>
where
    F: Future<Output = Result<QueryResponse, Failure>>,
{
    crate::retried(
        || format!("{name} on BigQuery"),
        call,
        Failure::is_retryable,
    )
    .await
}

/// The service may report a failed query with status 200 and a list of errors.
fn valid(mut response: QueryResponse) -> Result<QueryResponse, Failure> {
    match response.errors.take() {
        Some(reasons) if !reasons.is_empty() => Err(Failure::Query { reasons }),
        _ => Ok(response),
    }
}
