//! End-to-end and fault tests: the harness.
