//! The store on a bucket of Cloud Storage.
//!
//! Object contents are transferred by Google's client over HTTP. It verifies checksums (CRC32C) in
//! both directions, resumes reads and large writes, and retries transient errors. It offers other
//! operations over gRPC only, which no emulator supports; these use the JSON API in [`catalogue`].

mod cache;
mod catalogue;
mod failure;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, error::Error, time::Duration};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use google_cloud_storage::{
    client::Storage,
    model::ObjectChecksums,
    read_object::ReadObjectResponse,
    read_resume_policy::{ReadResumePolicyExt, Recommended},
    retry_policy::RetryableErrors,
};
use jiff::Timestamp;
use reqwest::StatusCode;
use shared::{
    address::{Address, BucketName, ObjectPath, OpenError, web_address},
    store::{Condition, Generation, Object, Store, StoreError},
};
use tokio::sync::Semaphore;

use self::{
    cache::{Contents, ObjectCache},
    catalogue::Catalogue,
    failure::{Failure, within},
};
use crate::{CloudSettings, EmulatorHost, MAX_ATTEMPTS, TIME_LIMIT};

/// The origin of the service without an emulator.
const SERVICE: &str = "https://storage.googleapis.com";
/// The key of the custom metadata that identifies the call of [`Store::write`] that wrote the
/// object.
const WRITE_ID: &str = "write-id";
/// The size from which contents are written by a resumable upload, in parts that are retried
/// separately.
const RESUMABLE_FROM_BYTES: usize = 16 * 1024 * 1024;
/// The minimum transfer rate. It extends [`TIME_LIMIT`] for large contents.
const SLOWEST_BYTES_PER_SECOND: u64 = 100_000;
/// The number of downloads at the same time. Each has a connection, which stays open for a while.
const DOWNLOADS_AT_ONCE: usize = 16;

/// A store in a bucket.
///
/// Needs the role `roles/storage.objectUser` on the bucket. Without its permission to list objects,
/// the service would respond with 403 for missing objects.
///
/// Models and data are cached in memory: at most 64 MiB, oldest entries are evicted first. For a
/// cached object, the store requests only generation and checksum. It downloads the contents again
/// only if they have changed; rewriting identical contents causes no download.
pub struct GcsStore {
    bucket: BucketName,
    /// The origin of the emulator, if any.
    emulator: Option<String>,
    contents: Storage,
    downloads: Semaphore,
    catalogue: Catalogue,
    cache: ObjectCache,
}

impl GcsStore {
    /// Creates a store for a bucket; no request is sent yet.
    ///
    /// # Errors
    /// Returns an error if there are no credentials.
    pub async fn open(bucket: &BucketName, cloud: &CloudSettings) -> Result<Self, OpenError> {
        // The client omits the port from the `Host` header, from which emulators derive the URL of
        // an upload session.
        let resumable_from = if cloud.storage_emulator.is_some() {
            usize::MAX
        } else {
            RESUMABLE_FROM_BYTES
        };
        let opened = Self::connect(bucket, cloud.storage_emulator.as_ref(), resumable_from).await;
        opened.map_err(|source| OpenError::new(&Address::Bucket(bucket.clone()), source))
    }

    async fn connect(
        bucket: &BucketName,
        emulator: Option<&EmulatorHost>,
        resumable_from: usize,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let origin = emulator.map_or_else(|| SERVICE.to_owned(), EmulatorHost::origin);
        let contents = Storage::builder()
            .with_endpoint(&origin)
            .with_credentials(crate::credentials(emulator)?)
            .with_retry_policy(crate::client_policy("Cloud Storage", RetryableErrors))
            .with_backoff_policy(crate::client_backoff()?)
            .with_read_resume_policy(Recommended.with_attempt_limit(MAX_ATTEMPTS as u32))
            .with_resumable_upload_threshold(resumable_from)
            .build()
            .await?;
        let catalogue = Catalogue::new(
            crate::http_client()?,
            crate::access_tokens(emulator)?,
            &origin,
            bucket,
        );
        Ok(Self {
            bucket: bucket.clone(),
            emulator: emulator.map(EmulatorHost::origin),
            contents,
            downloads: Semaphore::new(DOWNLOADS_AT_ONCE),
            catalogue,
            cache: ObjectCache::default(),
        })
    }

    async fn download(&self, path: &ObjectPath) -> Result<Contents, Failure> {
        // The semaphore is never closed.
        let _permit = self.downloads.acquire().await;
        let request = self.contents.read_object(self.resource(), path.as_str());
        let reply = within(TIME_LIMIT, request.send()).await?;
        let found = reply.object();
        let (generation, size, md5) = (found.generation, found.size, md5(found.checksums.as_ref()));
        let bytes = within(time_limit(size.unsigned_abs()), collect(reply)).await?;
        Ok(Contents {
            bytes,
            generation: Generation::from_number(generation),
            md5,
        })
    }

    /// Returns the cached object if its contents are up to date.
    async fn unchanged(&self, path: &ObjectPath) -> Result<Option<Object>, Failure> {
        let cached = self.cache.get(path);
        let Some(cached) = cached else {
            return Ok(None);
        };
        // A separate request, because emulators ignore `ifGenerationNotMatch` of a read.
        let Some(current) = self.catalogue.look_up(path).await? else {
            return Ok(None);
        };
        let unchanged = cached.in_generation(current.generation, current.md5.as_deref());
        Ok(unchanged.map(|contents| {
            self.cache.insert(path, &contents);
            contents.into()
        }))
    }

    async fn upload(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        condition: Condition,
        id: &str,
    ) -> Result<(Generation, Option<String>), Failure> {
        let time = time_limit(bytes.len() as u64);
        let request = self
            .contents
            .write_object(self.resource(), path.as_str(), bytes)
            .set_metadata([(WRITE_ID, id)])
            // Repeating a write with the same contents is safe, even without a condition.
            .with_idempotency(true);
        // Without this type, browsers save a page instead of showing it.
        let request = if path.as_str().ends_with(".html") {
            request.set_content_type("text/html; charset=utf-8")
        } else {
            request
        };
        let request = match condition {
            Condition::Always => request,
            Condition::Absent => request.set_if_generation_match(0),
            Condition::Unchanged(read) => request.set_if_generation_match(read.number()),
        };
        let written = within(time, request.send_buffered()).await?;
        Ok((
            Generation::from_number(written.generation),
            md5(written.checksums.as_ref()),
        ))
    }

    /// Returns the generation and the checksum of an object if the write `id` wrote it.
    ///
    /// If the response to a write is lost, the client retries it. The retry fails its condition,
    /// because the first attempt has already changed the generation, yet the write has succeeded.
    /// Another writer may write equal contents, so only the unique id identifies the write. If
    /// another writer has overwritten the object since, the condition counts as failed.
    async fn find_own(
        &self,
        path: &ObjectPath,
        id: &str,
    ) -> Result<Option<(Generation, Option<String>)>, Failure> {
        let found = self.catalogue.look_up(path).await?;
        let is_own = |custom: &BTreeMap<String, String>| {
            custom.get(WRITE_ID).is_some_and(|found| found == id)
        };
        Ok(found
            .filter(|entry| is_own(&entry.custom))
            .map(|entry| (entry.generation, entry.md5)))
    }

    async fn paths(
        &self,
        prefix: &str,
        since: Option<Timestamp>,
    ) -> Result<Vec<ObjectPath>, StoreError> {
        let address = || format!("gs://{}/{prefix}*", self.bucket);
        let names = self
            .catalogue
            .names(prefix, since)
            .await
            .map_err(|failure| failure.of("list", address()))?;
        // Users and tools may create other objects, such as `folder/`. Names that are not valid
        // paths are skipped.
        let mut paths: Vec<ObjectPath> = names
            .into_iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        paths.sort();
        Ok(paths)
    }

    fn resource(&self) -> String {
        format!("projects/_/buckets/{}", self.bucket)
    }
}

#[async_trait]
impl Store for GcsStore {
    async fn read(&self, path: &ObjectPath) -> Result<Object, StoreError> {
        let unchanged = self.unchanged(path).await;
        if let Some(object) =
            unchanged.map_err(|failure| failure.of("look up", self.address_of(path)))?
        {
            return Ok(object);
        }
        let contents = self
            .download(path)
            .await
            .map_err(|failure| match failure.status() {
                Some(StatusCode::NOT_FOUND) => StoreError::NotFound {
                    address: self.address_of(path),
                },
                _ => failure.of("read", self.address_of(path)),
            })?;
        self.cache.insert(path, &contents);
        Ok(contents.into())
    }

    async fn generation(&self, path: &ObjectPath) -> Result<Option<Generation>, StoreError> {
        let found = self.catalogue.look_up(path).await;
        let found = found.map_err(|failure| failure.of("look up", self.address_of(path)))?;
        Ok(found.map(|entry| entry.generation))
    }

    async fn write(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Generation, StoreError> {
        let id = format!("{:032x}", rand::random::<u128>());
        let mut written = self
            .upload(path, bytes.clone(), condition, &id)
            .await
            .map(Some);
        if written
            .as_ref()
            .is_err_and(|failure| failure.status() == Some(StatusCode::PRECONDITION_FAILED))
        {
            written = self.find_own(path, &id).await;
        }
        let written = written.map_err(|failure| failure.of("write", self.address_of(path)))?;
        let written = written.ok_or_else(|| StoreError::ConditionFailed {
            address: self.address_of(path),
        });
        let (generation, md5) = written?;
        self.cache.insert(
            path,
            &Contents {
                bytes,
                generation,
                md5,
            },
        );
        Ok(generation)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectPath>, StoreError> {
        self.paths(prefix, None).await
    }

    async fn list_written_since(
        &self,
        prefix: &str,
        since: Timestamp,
    ) -> Result<Vec<ObjectPath>, StoreError> {
        self.paths(prefix, Some(since)).await
    }

    fn address_of(&self, path: &ObjectPath) -> String {
        format!("gs://{}/{path}", self.bucket)
    }

    fn web_address_of(&self, path: &ObjectPath) -> String {
        match &self.emulator {
            Some(origin) => format!("{origin}/{}/{path}", self.bucket),
            None => web_address(&self.address_of(path)),
        }
    }
}

/// Returns the MD5 in base64, as in [`catalogue`], or `None` if there is none.
fn md5(checksums: Option<&ObjectChecksums>) -> Option<String> {
    let md5 = &checksums?.md5_hash;
    (!md5.is_empty()).then(|| BASE64_STANDARD.encode(md5))
}

async fn collect(mut reply: ReadObjectResponse) -> google_cloud_storage::Result<Bytes> {
    let mut bytes = Vec::with_capacity(usize::try_from(reply.object().size).unwrap_or_default());
    // The stream ends with an error if the checksum does not match.
    while let Some(chunk) = reply.next().await.transpose()? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

const fn time_limit(bytes: u64) -> Duration {
    TIME_LIMIT.saturating_add(Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND))
}
