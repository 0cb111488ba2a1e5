//! Creation of datasets and tables that must exist before the first row.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use shared::warehouse::schema::Column;

use super::{
    failure::Failure,
    service::{Service, Table},
};

impl Service {
    /// Creates a dataset if it does not exist.
    pub(super) async fn create_dataset(&self, dataset: &str) -> Result<(), Failure> {
        let reference = json!({ "projectId": self.project.as_str(), "datasetId": dataset });
        let mut body = json!({ "datasetReference": reference });
        if let Some(location) = &self.location {
            body["location"] = json!(location);
        }
        self.create(self.post("/datasets").json(&body)).await
    }

    /// Creates an empty table if it does not exist.
    pub(super) async fn create_table(
        &self,
        table: &Table,
        columns: &[Column],
    ) -> Result<(), Failure> {
        let body = json!({ "tableReference": table.reference(), "schema": { "fields": columns } });
        self.create(
            self.post(&format!("/datasets/{}/tables", table.dataset))
                .json(&body),
        )
        .await
    }

    async fn create(&self, request: RequestBuilder) -> Result<(), Failure> {
        match self.send::<Value>(request).await {
            Err(failure) if !failure.is_status(StatusCode::CONFLICT) => Err(failure),
            _ => Ok(()),
        }
    }
}
