//! The signature of a request: `t=<seconds>,v1=<hex>`, an HMAC-SHA256 of `<seconds>.<body>`. The
//! time is under the signature, so that a recorded request is of no use later: a receiver refuses
//! what is older than some minutes. `v1` leaves room for another kind beside it.

use aws_lc_rs::hmac;
use millwright_model::time::Timestamp;

/// Carries the signature.
pub const SIGNATURE_HEADER: &str = "Millwright-Signature";

/// The value of the header.
pub fn signature(secret: &[u8], at: Timestamp, body: &[u8]) -> String {
    let seconds = at.0 / 1000;
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    context.update(format!("{seconds}.").as_bytes());
    context.update(body);
    format!("t={seconds},v1={}", hex::encode(context.sign()))
}
