//! The real program against a control server with canned answers, behind real mutual TLS. What a
//! person sees is kept as snapshots; what a script sees, exit codes and JSON, is asserted.

mod auditing;
mod canned;
mod changing;
mod completing;
mod contexts;
mod documented;
mod events;
mod failing;
mod fake;
mod gateway;
mod offline;
mod planning;
mod reading;
mod rendering;
mod terminal;
mod watching;
mod windows;
