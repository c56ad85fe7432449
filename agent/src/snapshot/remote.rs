//! A second store for snapshots: S3, Google Cloud Storage and what speaks their protocols. Contents
//! by digest as in the local store, so an interrupted upload goes on where it stopped, and only what
//! the store lacks is sent. Credentials come from the environment, or from the secret that the policy
//! names.

use std::{collections::BTreeSet, path::PathBuf, str::FromStr, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use millwright_model::{
    digest::Digest,
    policy::{RemoteKind, RemoteStore},
    resource::SecretValue,
};
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt, WriteMultipart,
    aws::AmazonS3Builder,
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    path::Path as Key,
};

use super::{
    Snapshot,
    list::{decode, encode},
};
use crate::{
    effect::Tools,
    faults,
    fs::{self, FileFailed},
    secret::{self, Secret},
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
    /// The secret that the policy names.
    #[error("{name}: {why}")]
    Secret {
        /// Of the store.
        name: String,
        /// What.
        why: String,
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
    /// Opens it, waiting for its credentials if a coordinator has to send them; makes no request.
    pub async fn open(settings: &RemoteStore, tools: &Tools) -> Result<Self, RemoteFailed> {
        let prefix = match settings.prefix.trim_matches('/') {
            "" => tools.gateway_name.to_string(),
            prefix => format!("{prefix}/{}", tools.gateway_name),
        };
        let scheme = match settings.kind {
            RemoteKind::S3 => "s3",
            RemoteKind::Gcs => "gs",
        };
        let name = format!("{scheme}://{}/{prefix}", settings.bucket);
        let secret = match &settings.secret_ref {
            None => None,
            Some(secret) => {
                let came = secret::wait_for(tools.secret.clone(), secret.as_str()).await;
                let why = || format!("no coordinator has sent the secret {secret} yet");
                Some(came.ok_or_else(|| RemoteFailed::Secret { name: name.clone(), why: why() })?)
            }
        };
        let store = match settings.kind {
            RemoteKind::S3 => s3(settings, secret.as_ref(), &name)?,
            RemoteKind::Gcs => gcs(settings, secret.as_ref(), &name)?,
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

/// Settings of a secret by the library's names for them, which are those of the environment.
fn of_secret<K: FromStr>(secret: &Secret, name: &str) -> Result<Vec<(K, String)>, RemoteFailed> {
    let read = |(key, value): (&String, &SecretValue)| match key.to_ascii_lowercase().parse() {
        Ok(known) => Ok((known, value.reveal().to_owned())),
        Err(_) => {
            let why =
                format!("the secret {} has {key}, which this store does not know", secret.name);
            Err(RemoteFailed::Secret { name: name.to_owned(), why })
        }
    };
    secret.data.iter().map(read).collect()
}

fn is_plain(settings: &RemoteStore) -> bool {
    settings.endpoint.as_ref().is_some_and(|url| url.starts_with("http://"))
}

type Opened = Result<Arc<dyn ObjectStore>, RemoteFailed>;

fn s3(settings: &RemoteStore, secret: Option<&Secret>, name: &str) -> Opened {
    let mut builder = match secret {
        None => AmazonS3Builder::from_env(),
        Some(secret) => of_secret(secret, name)?
            .into_iter()
            .fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value)),
    };
    builder = builder.with_bucket_name(&settings.bucket).with_allow_http(is_plain(settings));
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let failed = |source| RemoteFailed::Store { name: name.to_owned(), source };
    Ok(Arc::new(builder.build().map_err(failed)?))
}

fn gcs(settings: &RemoteStore, secret: Option<&Secret>, name: &str) -> Opened {
    let start = GoogleCloudStorageBuilder::new;
    let mut builder = match secret {
        None => GoogleCloudStorageBuilder::from_env(),
        Some(secret) => of_secret(secret, name)?
            .into_iter()
            .fold(start(), |builder, (key, value)| builder.with_config(key, value)),
    };
    builder = builder.with_bucket_name(&settings.bucket);
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_config(GoogleConfigKey::BaseUrl, endpoint);
        let options = ClientOptions::new().with_allow_http(is_plain(settings));
        builder = builder.with_client_options(options);
        if secret.is_none() {
            // Elsewhere and without credentials: an emulator that takes every request.
            builder = builder.with_skip_signature(true);
        }
    }
    let failed = |source| RemoteFailed::Store { name: name.to_owned(), source };
    Ok(Arc::new(builder.build().map_err(failed)?))
}

async fn read_off_thread(file: PathBuf) -> Result<Vec<u8>, RemoteFailed> {
    match tokio::task::spawn_blocking(move || fs::read(&file)).await {
        Ok(read) => Ok(read?),
        Err(_) => {
            Err(fs::refused("read", std::path::Path::new("a kept file"), "the job ended").into())
        }
    }
}
