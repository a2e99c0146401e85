//! The program as processes of its own: started, stopped, killed, and without its database.

mod crash;
mod dependencies;
mod outage;
mod program;
mod purchases;
mod renewals;
