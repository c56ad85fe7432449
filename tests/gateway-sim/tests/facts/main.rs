//! What the simulated gateway has in common with a real one, fact by fact, over real HTTP.

mod auth;
mod control;
mod faults;
mod life;
mod logs;
mod pair;
mod scan;
mod scan_lock;
mod sessions;
mod status;
mod support;
