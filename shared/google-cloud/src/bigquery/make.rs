//! Datasets and tables that are there before the first row.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use shared::warehouse::schema::Column;

use super::{
    failure::Failure,
    service::{Service, Table},
};

impl Service {
    /// Makes a dataset where there is none.
    pub(super) async fn make_dataset(&self, dataset: &str) -> Result<(), Failure> {
        let reference = json!({ "projectId": self.project.as_str(), "datasetId": dataset });
        let mut wanted = json!({ "datasetReference": reference });
        if let Some(location) = &self.location {
            wanted["location"] = json!(location);
        }
        self.make(self.post("/datasets").json(&wanted)).await
    }

    /// Makes an empty table where there is none.
    pub(super) async fn make_table(
        &self,
        table: &Table,
        columns: &[Column],
    ) -> Result<(), Failure> {
        let wanted =
            json!({ "tableReference": table.reference(), "schema": { "fields": columns } });
        self.make(
            self.post(&format!("/datasets/{}/tables", table.dataset))
                .json(&wanted),
        )
        .await
    }

    async fn make(&self, request: RequestBuilder) -> Result<(), Failure> {
        match self.send::<Value>(request).await {
            Err(failure) if !failure.is_status(StatusCode::CONFLICT) => Err(failure),
            _ => Ok(()),
        }
    }
}
