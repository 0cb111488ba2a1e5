//! Queries whose results come in pages.

use gcp_bigquery_client::model::{
    get_query_results_parameters::GetQueryResultsParameters, job_reference::JobReference,
    query_parameter::QueryParameter, query_parameter_type::QueryParameterType,
    query_parameter_value::QueryParameterValue, query_request::QueryRequest,
    query_response::QueryResponse, table_row::TableRow,
};
use shared::warehouse::schema::ColumnType;

use super::{
    failure::Failure,
    rows::RowError,
    service::{PollBackoff, Service},
};

/// How many rows a page has at most. A page of counts takes about 12 MB of memory, and more than 10 MB of JSON are not
/// sent at once by BigQuery anyway.
const PAGE_ROWS: i32 = 20_000;
/// How long the service may wait for a query's end before it answers that it goes on.
const ANSWER_WITHIN_MS: i32 = 10_000;

impl Service {
    /// Makes a query and hands over its rows, page by page.
    pub(super) async fn read(
        &self,
        sql: &str,
        parameters: Vec<QueryParameter>,
        mut take: impl FnMut(TableRow) -> Result<(), RowError> + Send,
    ) -> Result<(), Failure> {
        let mut pages = self.query(sql, parameters).await?;
        while let Some(rows) = pages.next().await? {
            rows.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    }

    /// Makes a query, waits for its end and returns its pages.
    ///
    /// The request has an id, so that one that is repeated since its answer was lost finds the job of the first: the
    /// service remembers ids for 15 minutes.
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
        request.timeout_ms = Some(ANSWER_WITHIN_MS);
        let ask = || async {
            valid(
                self.client
                    .job()
                    .query(self.project.as_str(), request.clone())
                    .await?,
            )
        };
        let mut response = again("a query", ask).await?;
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
            timeout_ms: Some(ANSWER_WITHIN_MS),
            ..GetQueryResultsParameters::default()
        };
        let ask = || async {
            let results =
                self.client
                    .job()
                    .get_query_results(self.project.as_str(), id, parameters.clone());
            valid(results.await?.into())
        };
        again("the results of a query", ask).await
    }
}

/// The pages of a result. Each is fetched when it is asked for, so that no two are kept.
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

/// Makes a parameter of a query; without a value it is NULL.
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

/// Tries a call of the client, which itself tries once, as often and as long as [`crate::send`] does.
async fn again<F>(what: &str, ask: impl Fn() -> F) -> Result<QueryResponse, Failure>
where
    F: Future<Output = Result<QueryResponse, Failure>>,
{
    crate::retried(|| format!("{what} of BigQuery"), ask, Failure::is_retryable).await
}

/// A query that failed may be answered with 200: its errors say so.
fn valid(mut response: QueryResponse) -> Result<QueryResponse, Failure> {
    match response.errors.take() {
        Some(reasons) if !reasons.is_empty() => Err(Failure::Query { reasons }),
        _ => Ok(response),
    }
}
