//! What the budget leaves.

use std::time::Instant;

use super::pace::Pace;
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
    /// How much of the budget of requests is worth it for what is fetched ahead.
    pace: Pace,
}

impl Room {
    pub(super) fn new(budget: Budget) -> Self {
        let budget = budget.checked();
        Self { budget, bytes: [0; 2], requests: [0; 2], bytes_most: 0, pace: Pace::new() }
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
            Class::Ahead => {
                let most = self.budget.ahead_requests().min(self.pace.requests());
                fits && self.requests[0] < most
            }
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

    /// Nothing more is asked for now, though there is room for more requests.
    pub(super) fn starved(&mut self) {
        self.pace.starved();
    }

    /// A request was answered with so many bytes.
    pub(super) fn answered(&mut self, class: Class, bytes: u64) {
        if class == Class::Ahead {
            let most = self.budget.ahead_requests();
            self.pace.answered(bytes, self.requests[0], most, Instant::now());
        }
    }

    pub(super) fn add_request(&mut self, class: Class) {
        self.requests[class as usize] += 1;
    }

    pub(super) fn free_request(&mut self, class: Class) {
        self.requests[class as usize] -= 1;
    }
}
