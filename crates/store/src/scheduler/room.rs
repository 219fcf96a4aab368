//! What the budget leaves.

use crate::budget::Budget;

/// For whom something is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// For a reader to come.
    Ahead,
    /// For a reader who waits. What is ahead of readers leaves room for this.
    Urgent,
}

/// What is under way, and how much more may be.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) budget: Budget,
    bytes: [u64; 2],
    requests: [usize; 2],
    bytes_most: u64,
}

impl Room {
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget: budget.checked(), bytes: [0; 2], requests: [0; 2], bytes_most: 0 }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.iter().sum()
    }

    pub(super) fn bytes_most(&self) -> u64 {
        self.bytes_most
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.iter().sum()
    }

    /// Whether there is room for so many bytes.
    pub(super) fn has_bytes(&self, class: Class, bytes: u64) -> bool {
        let budget = &self.budget;
        let fits = self.bytes() + bytes <= budget.bytes;
        match class {
            Class::Ahead => fits && self.bytes[0] + bytes <= budget.ahead_bytes(),
            // A range that was cut under a larger budget is fetched alone.
            Class::Urgent => fits || self.bytes[1] == 0 && bytes > budget.request_bytes,
        }
    }

    /// Whether there is room for one more request.
    pub(super) fn has_request(&self, class: Class) -> bool {
        let fits = self.requests() < self.budget.requests;
        match class {
            Class::Ahead => fits && self.requests[0] < self.budget.ahead_requests(),
            Class::Urgent => fits,
        }
    }

    pub(super) fn add_bytes(&mut self, class: Class, bytes: u64) {
        self.bytes[class as usize] += bytes;
        self.bytes_most = self.bytes_most.max(self.bytes());
    }

    pub(super) fn free_bytes(&mut self, class: Class, bytes: u64) {
        self.bytes[class as usize] -= bytes;
    }

    pub(super) fn add_request(&mut self, class: Class) {
        self.requests[class as usize] += 1;
    }

    pub(super) fn free_request(&mut self, class: Class) {
        self.requests[class as usize] -= 1;
    }
}
