//! Generations and lists, by the JSON API of Cloud Storage
//! (<https://cloud.google.com/storage/docs/json_api/v1/objects>).

use std::collections::BTreeMap;

use google_cloud_auth::credentials::AccessTokenCredentials;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use shared::{
    address::{BucketName, ObjectPath},
    store::Generation,
};

use super::failure::{Failure, within};
use crate::TIME_LIMIT;

/// What the service knows about the objects of a bucket.
pub(super) struct Catalogue {
    http: Client,
    /// `None` to an emulator.
    tokens: Option<AccessTokenCredentials>,
    /// The address of all objects.
    objects: String,
}

/// What it knows about one.
pub(super) struct Entry {
    pub(super) generation: Generation,
    /// The MD5 of the contents in base64; missing where an object was composed of others.
    pub(super) md5: Option<String>,
    /// The custom metadata.
    pub(super) custom: BTreeMap<String, String>,
}

impl Catalogue {
    pub(super) fn new(
        http: Client,
        tokens: Option<AccessTokenCredentials>,
        origin: &str,
        bucket: &BucketName,
    ) -> Self {
        Self {
            http,
            tokens,
            objects: format!("{origin}/storage/v1/b/{bucket}/o"),
        }
    }

    /// Returns what is known about an object, or `None` where there is none.
    pub(super) async fn look_up(&self, path: &ObjectPath) -> Result<Option<Entry>, Failure> {
        let address = format!(
            "{}/{}",
            self.objects,
            utf8_percent_encode(path.as_str(), NON_ALPHANUMERIC)
        );
        let request = self
            .http
            .get(address)
            .query(&[("fields", "generation,md5Hash,metadata")]);
        match self.answer::<EntryReply>(request).await {
            Ok(reply) => reply.try_into().map(Some),
            Err(failure) if failure.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Returns the names that begin with `prefix`, of all pages; of objects that were written before `since`, none.
    pub(super) async fn names(
        &self,
        prefix: &str,
        since: Option<Timestamp>,
    ) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        let mut page_token = None;
        loop {
            let request = self.http.get(&self.objects).query(&[
                ("prefix", Some(prefix)),
                ("fields", Some("items(name,updated),nextPageToken")),
                ("pageToken", page_token.as_deref()),
            ]);
            let page: Page = self.answer(request).await?;
            let is_wanted = |item: &Item| {
                since.is_none_or(|since| item.updated.is_none_or(|updated| updated >= since))
            };
            names.extend(
                page.items
                    .into_iter()
                    .filter(is_wanted)
                    .map(|item| item.name),
            );
            page_token = page.next_page_token;
            if page_token.is_none() {
                return Ok(names);
            }
        }
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let request = match &self.tokens {
            Some(tokens) => request.bearer_auth(tokens.access_token().await?.token),
            None => request,
        };
        let response = within(TIME_LIMIT, crate::send(request)).await?;
        response
            .json()
            .await
            .map_err(|error| Failure::Answer(error.into()))
    }
}

#[derive(Deserialize)]
struct EntryReply {
    /// A number; JSON's would not hold all of its digits.
    generation: String,
    #[serde(rename = "md5Hash")]
    md5: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

impl TryFrom<EntryReply> for Entry {
    type Error = Failure;

    fn try_from(reply: EntryReply) -> Result<Self, Failure> {
        let generation = reply.generation.parse().map(Generation::from_number);
        let generation = generation.map_err(|error| Failure::Answer(error.into()))?;
        Ok(Self {
            generation,
            md5: reply.md5,
            custom: reply.metadata,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    /// Missing where nothing is found.
    #[serde(default)]
    items: Vec<Item>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    updated: Option<Timestamp>,
}
