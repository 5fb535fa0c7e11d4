//! Many clients, one engine, and faults: a model of look up or create, held against what it promises.

mod client;
mod promises;
mod scenario;
