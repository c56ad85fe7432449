//! Probes: requests by which a person says what working means.

use std::time::Duration;

use millwright_agent_domain::verdict::Look;
use millwright_model::policy::Probe;
use tokio::time::Instant;

use super::{Gateway, ReadFailed, chain, read};

/// Largest answer that is searched.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

impl Gateway {
    /// Tries a probe until it is right or its time is over. No token is sent: a probe may go
    /// anywhere.
    pub async fn probe(&self, probe: &Probe) -> Look {
        let url = match probe.url.starts_with('/') {
            true => format!("{}{}", self.url, probe.url),
            false => probe.url.clone(),
        };
        let deadline = Instant::now() + Duration::from(probe.within);
        loop {
            let look = self.probe_once(&url, probe).await;
            if look == Look::Good || Instant::now() >= deadline {
                return look;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn probe_once(&self, url: &str, probe: &Probe) -> Look {
        let response = match self.client.get(url).send().await {
            Ok(response) => response,
            Err(error) => return Look::Unknown(chain(&error.without_url())),
        };
        let status = response.status().as_u16();
        if status != probe.expect_status {
            return Look::Bad(format!("answered {status}, not {}", probe.expect_status));
        }
        let Some(expected) = &probe.expect_body else { return Look::Good };
        match read(response, BODY_BYTES_MAX).await {
            Ok(body) if String::from_utf8_lossy(&body).contains(expected.as_str()) => Look::Good,
            Ok(_) => Look::Bad(format!("the answer does not contain {expected:?}")),
            Err(ReadFailed::TooLarge) => Look::Bad("the answer is larger than 1 MiB".to_owned()),
            Err(ReadFailed::Broken(error)) => Look::Unknown(chain(&error.without_url())),
        }
    }
}
