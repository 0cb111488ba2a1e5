//! Generations and listings through the JSON API of Cloud Storage
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

/// A client for the object metadata of a bucket.
pub(super) struct Catalogue {
    http: Client,
    /// `None` for an emulator.
    tokens: Option<AccessTokenCredentials>,
    /// The URL of the bucket's object collection.
    objects: String,
}

/// The metadata of an object.
pub(super) struct Entry {
    pub(super) generation: Generation,
    /// The MD5 of the contents in base64; `None` for composite objects.
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

    /// Returns the metadata of an object, or `None` if it does not exist.
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
        match self.send::<EntryReply>(request).await {
            Ok(reply) => reply.try_into().map(Some),
            Err(failure) if failure.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Returns the names of all objects with a prefix, from all pages. Skips objects that were last
    /// written before `since`.
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
            let page: Page = self.send(request).await?;
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

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let request = match &self.tokens {
            Some(tokens) => request.bearer_auth(tokens.access_token().await?.token),
            None => request,
        };
        within(TIME_LIMIT, crate::send_json(request)).await
    }
}

#[derive(Deserialize)]
struct EntryReply {
    /// A 64-bit integer as a string, because JSON numbers may lose digits.
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
    /// Missing on an empty page.
    #[serde(default)]
    items: Vec<Item>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    updated: Option<Timestamp>,
}
