//! What the simulated gateway has in common with a real one, fact by fact, over real HTTP.

mod auth;
mod backup;
mod config;
mod control;
mod faults;
mod fleet;
mod life;
mod logs;
mod pair;
mod projects;
mod scale;
mod scan;
mod scan_lock;
mod sessions;
mod status;
mod support;
mod tags;
