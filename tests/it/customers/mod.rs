//! Customers.

mod service;
