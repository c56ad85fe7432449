//! Whole clusters: real processes, real TLS, real files. One program, so that it is linked once; a
//! module is one theme.

#![expect(clippy::print_stdout, reason = "what was skipped and how much was shown is said")]

mod admission;
mod assigned_once;
mod audit;
mod catch_up;
mod client;
mod dry_run;
mod e2e;
mod evidence;
mod fault_sweep;
mod full_disk;
mod gates;
mod hostile;
mod ignition_8_1;
mod max_delete;
mod objects;
mod operators;
mod pairs;
mod ports;
mod real_projects;
mod refs;
mod remote;
mod rendered_scan;
mod rendering;
mod repairs;
mod rollouts;
mod rotation;
mod safe_apply;
mod windows;
