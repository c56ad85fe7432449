//! Scans. A 200 to the trigger says only that it began; done is a newer timestamp of the gateway's
//! own clock with nothing active.

use std::time::Duration;

use millwright_model::report::FailureKind;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Gateway, Trouble, number};

/// A scan is asked for again after these pauses, growing to the last.
const POLL_FIRST: Duration = Duration::from_millis(50);
const POLL_LAST: Duration = Duration::from_secs(1);

/// A kind of scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScanKind {
    /// Project files.
    Projects,
    /// Configuration files.
    Config,
}

impl ScanKind {
    /// Both, in the order in which they are scanned.
    pub const ALL: [ScanKind; 2] = [ScanKind::Projects, ScanKind::Config];

    /// The folder of the data directory that it reads.
    pub fn top(self) -> &'static str {
        match self {
            ScanKind::Projects => "projects",
            ScanKind::Config => "config",
        }
    }

    fn path(self) -> String {
        format!("/data/api/v1/scan/{}", self.top())
    }
}

/// A scan that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanned {
    /// Its end, by the gateway's clock in epoch milliseconds.
    pub ended_ms: i64,
    /// How long it took in milliseconds; 0 when the gateway did not say.
    pub took_ms: i64,
}

struct View {
    active: bool,
    last: Scanned,
}

impl Gateway {
    async fn scan_view(&self, kind: ScanKind, method: Method) -> Result<View, Trouble> {
        let answer = self.json(method, &kind.path()).await?;
        let unreadable =
            || Trouble::new(FailureKind::ScanFailed, "the scan's answer cannot be read");
        Ok(View {
            active: answer["scanActive"].as_bool().ok_or_else(unreadable)?,
            last: Scanned {
                ended_ms: number(&answer["lastScanTimestamp"]).ok_or_else(unreadable)?,
                took_ms: number(&answer["lastScanDuration"]).unwrap_or(0).max(0),
            },
        })
    }

    /// The last scan of a kind.
    pub async fn last_scan(&self, kind: ScanKind) -> Result<Scanned, Trouble> {
        self.scan_view(kind, Method::GET).await.map(|view| view.last)
    }

    /// Waits until no scan of a kind runs.
    pub async fn await_idle(&self, kind: ScanKind, within: Duration) -> Result<Scanned, Trouble> {
        self.idle(kind, Instant::now() + within, None).await
    }

    /// Triggers a scan and waits until a newer one than before has ended; a scan that was running
    /// before is waited out first, since it may have read old files.
    pub async fn scan(&self, kind: ScanKind, within: Duration) -> Result<Scanned, Trouble> {
        let deadline = Instant::now() + within;
        let before = self.idle(kind, deadline, None).await?;
        match self.scan_view(kind, Method::POST).await {
            Ok(_) => {}
            // It may have begun: the answer is waited for all the same.
            Err(trouble) if trouble.kind == FailureKind::GatewayUnreachable => {}
            Err(mut trouble) => {
                if trouble.kind == FailureKind::Internal {
                    trouble.kind = FailureKind::ScanFailed;
                }
                return Err(trouble);
            }
        }
        self.idle(kind, deadline, Some(before.ended_ms)).await
    }

    /// Waits until no scan runs, and until the last one is newer than `newer_than`.
    async fn idle(
        &self,
        kind: ScanKind,
        deadline: Instant,
        newer_than: Option<i64>,
    ) -> Result<Scanned, Trouble> {
        let mut pause = POLL_FIRST;
        loop {
            let last = match self.scan_view(kind, Method::GET).await {
                Ok(view) => {
                    let newer = newer_than.is_none_or(|before| view.last.ended_ms > before);
                    if !view.active && newer {
                        return Ok(view.last);
                    }
                    None
                }
                Err(trouble) if trouble.kind == FailureKind::Unauthorized => return Err(trouble),
                Err(trouble) if trouble.is_absent() => return Err(trouble),
                // Within a poll the gateway may be away for a moment.
                Err(trouble) => Some(trouble),
            };
            if Instant::now() >= deadline {
                let kind = kind.top();
                let why = last.map(|trouble| format!(": {}", trouble.message)).unwrap_or_default();
                let message =
                    format!("the {kind} scan did not end in time, its state is unknown{why}");
                return Err(Trouble::new(FailureKind::ScanTimeout, message));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(POLL_LAST);
        }
    }

    /// 8.1 with the project-scan-endpoint module: scans and answers when done. `None` when the
    /// module is not there.
    pub async fn module_scan(&self) -> Result<Option<()>, Trouble> {
        let support = "/data/project-scan-endpoint/confirm-support";
        match self.json(Method::GET, support).await {
            Ok(answer) if answer["supported"].as_bool() == Some(true) => {}
            Ok(_) => return Ok(None),
            Err(trouble) if matches!(trouble.status, Some(404 | 405 | 501)) => return Ok(None),
            Err(trouble) => return Err(trouble),
        }
        let answer = self
            .json(
                Method::POST,
                "/data/project-scan-endpoint/scan?updateDesigners=true&forceUpdate=false",
            )
            .await?;
        match answer["gatewayProjectScanSuccess"].as_bool() {
            Some(true) => Ok(Some(())),
            Some(false) | None => Err(Trouble::new(
                FailureKind::ScanFailed,
                "the scan module says that the scan did not succeed",
            )),
        }
    }
}
