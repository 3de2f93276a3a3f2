//! Stream table.
