//! A second store for snapshots: S3, Google Cloud Storage and what speaks their protocols. Contents
//! by digest as in the local store, so an interrupted upload goes on where it stopped, and only what
//! the store lacks is sent. Credentials come from the environment.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use millwright_model::{
    digest::Digest,
    id::GatewayName,
    policy::{RemoteKind, RemoteStore},
};
use object_store::{
    ObjectStore, ObjectStoreExt, WriteMultipart, aws::AmazonS3Builder,
    gcp::GoogleCloudStorageBuilder, path::Path as Key,
};

use super::{
    Snapshot,
    list::{decode, encode},
};
use crate::{
    effect::Tools,
    faults,
    fs::{self, FileFailed},
};

/// Transfers at a time.
const TRANSFERS: usize = 16;
/// Larger objects go up in parts.
const PART_BYTES: usize = 8 << 20;
/// Largest object that is read back.
const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// Why the remote store could not be used. Messages of the protocol's library carry no credentials.
#[derive(Debug, thiserror::Error)]
pub enum RemoteFailed {
    /// The store itself.
    #[error("{name}: {source}")]
    Store {
        /// Its address.
        name: String,
        /// What it said.
        source: object_store::Error,
    },
    /// The local side.
    #[error(transparent)]
    File(#[from] FileFailed),
    /// What was stored cannot be read.
    #[error("{name}: {what}")]
    Damaged {
        /// Its address.
        name: String,
        /// How.
        what: String,
    },
}

/// A remote store, below the gateway's own prefix.
#[derive(Debug, Clone)]
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    name: String,
    prefix: String,
}

impl Remote {
    /// Opens it; makes no request.
    pub fn open(settings: &RemoteStore, gateway: &GatewayName) -> Result<Self, RemoteFailed> {
        let RemoteStore { kind, bucket, prefix, endpoint, region, wait_for_upload: _ } = settings;
        let prefix = match prefix.trim_matches('/') {
            "" => gateway.to_string(),
            prefix => format!("{prefix}/{gateway}"),
        };
        let scheme = match kind {
            RemoteKind::S3 => "s3",
            RemoteKind::Gcs => "gs",
        };
        let name = format!("{scheme}://{bucket}/{prefix}");
        let failed = |source| RemoteFailed::Store { name: name.clone(), source };
        let plain = endpoint.as_ref().is_some_and(|url| url.starts_with("http://"));
        let store: Arc<dyn ObjectStore> = match kind {
            RemoteKind::S3 => {
                let mut builder = AmazonS3Builder::from_env()
                    .with_bucket_name(bucket)
                    .with_allow_http(plain);
                if let Some(region) = region {
                    builder = builder.with_region(region);
                }
                if let Some(endpoint) = endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                Arc::new(builder.build().map_err(failed)?)
            }
            RemoteKind::Gcs => {
                let mut builder =
                    GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
                if let Some(endpoint) = endpoint {
                    // A server of the same protocol elsewhere is told in the service account; without
                    // one it is an emulator that takes every request.
                    let account = serde_json::json!({
                        "gcs_base_url": endpoint, "disable_oauth": true,
                        "client_email": "", "private_key": "", "private_key_id": "",
                    });
                    builder = builder
                        .with_service_account_key(account.to_string())
                        .with_client_options(
                            object_store::ClientOptions::new().with_allow_http(plain),
                        );
                }
                Arc::new(builder.build().map_err(failed)?)
            }
        };
        Ok(Self { store, name, prefix })
    }

    /// Its address, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn key(&self, rest: &str) -> Key {
        Key::from(format!("{}/{rest}", self.prefix))
    }

    fn blob_key(&self, digest: &Digest) -> Key {
        let name = digest.to_string();
        self.key(&format!("blobs/{}/{name}", &name[..2]))
    }

    fn failed(&self, source: object_store::Error) -> RemoteFailed {
        RemoteFailed::Store { name: self.name.clone(), source }
    }

    fn damaged(&self, what: impl std::fmt::Display) -> RemoteFailed {
        RemoteFailed::Damaged { name: self.name.clone(), what: what.to_string() }
    }

    /// Digests that the store has.
    async fn there(&self) -> Result<BTreeSet<String>, RemoteFailed> {
        let prefix = self.key("blobs");
        let listed = self.store.list(Some(&prefix)).try_collect::<Vec<_>>().await;
        let listed = listed.map_err(|error| self.failed(error))?;
        Ok(listed
            .into_iter()
            .filter_map(|meta| meta.location.filename().map(str::to_owned))
            .collect())
    }

    /// Uploads a snapshot: contents first, the list last, so that a list is never without them.
    pub async fn upload(&self, tools: &Tools, id: &str) -> Result<(), RemoteFailed> {
        let Some(snapshot) = tools.lock_local().store.load(id)? else { return Ok(()) };
        let there = self.there().await?;
        let missing: BTreeSet<Digest> = snapshot
            .files
            .iter()
            .map(|file| file.digest)
            .filter(|digest| !there.contains(&digest.to_string()))
            .collect();
        let files: Vec<(Digest, PathBuf)> = {
            let local = tools.lock_local();
            missing.into_iter().map(|digest| (digest, local.store.blob_file(&digest))).collect()
        };
        let count = files.len();
        futures::stream::iter(files)
            .map(|(digest, file)| async move {
                faults::point("upload.blob");
                let bytes = read_off_thread(file).await?;
                self.put(&self.blob_key(&digest), bytes).await
            })
            .buffer_unordered(TRANSFERS)
            .try_collect::<()>()
            .await?;
        let list = encode(&snapshot).map_err(|error| self.damaged(error))?;
        self.put(&self.key(&format!("snapshots/{id}")), list).await?;
        tracing::info!(snapshot = id, blobs = count, store = self.name, "uploaded");
        tools.lock_local().store.note_upload(id, &self.name)?;
        Ok(())
    }

    async fn put(&self, key: &Key, bytes: Vec<u8>) -> Result<(), RemoteFailed> {
        let failed = |error| self.failed(error);
        if bytes.len() <= PART_BYTES {
            let put = self.store.put(key, Bytes::from(bytes).into()).await;
            return put.map(drop).map_err(failed);
        }
        let upload = self.store.put_multipart(key).await.map_err(failed)?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        parts.write(&bytes);
        parts.finish().await.map(drop).map_err(failed)
    }

    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RemoteFailed> {
        let answer = match self.store.get(key).await {
            Ok(answer) => answer,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        if answer.meta.size > OBJECT_BYTES_MAX {
            return Err(self.damaged(format!("{key} is larger than a gigabyte")));
        }
        answer.bytes().await.map(|bytes| Some(bytes.to_vec())).map_err(|e| self.failed(e))
    }

    /// Brings a snapshot and the contents that are missing here; `None` when the store has none of
    /// that id.
    pub async fn download(
        &self,
        tools: &Tools,
        id: &str,
    ) -> Result<Option<Snapshot>, RemoteFailed> {
        if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Ok(None);
        }
        let Some(bytes) = self.get(&self.key(&format!("snapshots/{id}"))).await? else {
            return Ok(None);
        };
        let snapshot = decode(&bytes).map_err(|error| self.damaged(error))?;
        let missing: BTreeSet<Digest> = {
            let local = tools.lock_local();
            let digests = snapshot.files.iter().map(|file| file.digest);
            digests.filter(|digest| !local.store.has(digest)).collect()
        };
        futures::stream::iter(missing)
            .map(|digest| async move {
                let blob = self.get(&self.blob_key(&digest)).await?;
                let blob = blob.ok_or_else(|| self.damaged(format!("{digest} is missing")))?;
                tools.lock_local().store.adopt_blob(digest, &blob)?;
                Ok::<(), RemoteFailed>(())
            })
            .buffer_unordered(TRANSFERS)
            .try_collect::<()>()
            .await?;
        let mut local = tools.lock_local();
        local.store.sync()?;
        local.store.adopt(&snapshot)?;
        Ok(Some(snapshot))
    }
}

async fn read_off_thread(file: PathBuf) -> Result<Vec<u8>, RemoteFailed> {
    match tokio::task::spawn_blocking(move || fs::read(&file)).await {
        Ok(read) => Ok(read?),
        Err(_) => Err(fs::refused("read", std::path::Path::new("a kept file"), "the job ended").into()),
    }
}
