mod error;
mod layout;
mod memory;
mod socket;
mod sys;
