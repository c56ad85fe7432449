//! Downloading the gateway's own backup, piece by piece.

use std::{path::Path, time::Duration};

use millwright_model::report::FailureKind;

use super::{Gateway, Trouble, chain};
use crate::backup::Sink;

/// Tens of megabytes over a slow disk.
const PATIENCE: Duration = Duration::from_mins(5);
/// Largest backup.
const BYTES_MAX: u64 = 8 << 30;

impl Gateway {
    /// Streams the backup into a file; its size in bytes.
    pub async fn download_backup(&self, to: &Path) -> Result<u64, Trouble> {
        let path = "/data/api/v1/backup?type=all";
        let failed = |why: String| Trouble::new(FailureKind::SnapshotFailed, why);
        let mut response = self
            .client
            .get(format!("{}{path}", self.url))
            .header("X-Ignition-API-Token", self.token())
            .header("Accept", "application/octet-stream")
            .timeout(PATIENCE)
            .send()
            .await
            .map_err(|error| failed(chain(&error.without_url())))?;
        self.judge(response.status(), path)?;
        let mut sink = Sink::create(to).map_err(|error| failed(error.to_string()))?;
        let mut size = 0;
        while let Some(piece) =
            response.chunk().await.map_err(|error| failed(chain(&error.without_url())))?
        {
            size += piece.len() as u64;
            if size > BYTES_MAX {
                return Err(failed("the backup is larger than 8 GiB".to_owned()));
            }
            sink.add(&piece).map_err(|error| failed(error.to_string()))?;
        }
        sink.end().map_err(|error| failed(error.to_string()))
    }
}
