//! Objects of HTTP servers, S3 and what speaks it, Google Cloud Storage and Azure, as bytes at offsets.
//!
//! Nobody who reads waits on a runtime: requests run on one thread of this crate's own, which the first
//! URL starts, and a reader sleeps until its bytes are there. What is a sample, a shard or a row is not
//! known here.
//!
//! ```no_run
//! use tallow_store::Object;
//! let object = Object::open("https://example.com/train-00.tar", 64 << 10)?;
//! let mut block = Vec::new();
//! let read = object.read_at(512, 512, &|| false, &mut |piece| block.extend_from_slice(piece))?;
//! assert_eq!(read, block.len());
//! # Ok::<(), tallow_store::Error>(())
//! ```
//!
//! Credentials come from the environment, as each provider's own tools read it (`AWS_*`, `GOOGLE_*`,
//! `AZURE_*`), or from the machine that the program runs on. A URL that holds any is refused, and no
//! error, log or `Debug` shows one.

//!
//! # Reading ahead
//!
//! Who knows what will be read says so: [`Object::will_need`] for ranges, [`will_open`] for objects that are read
//! whole. Both only write it down. Reads then find their bytes in memory; a read that finds nothing there asks for its
//! own bytes, at once.
//!
//! ```no_run
//! use tallow_store::Object;
//! let object = Object::open("s3://bucket/train-00.tar", 1)?.settled();
//! let order = [7u64, 2, 5];
//! for i in order {
//!     object.will_need(i * 1000..(i + 1) * 1000)?;
//! }
//! for i in order {
//!     object.read_at(i * 1000, 1000, &|| false, &mut |piece| drop(piece))?;
//! }
//! # Ok::<(), tallow_store::Error>(())
//! ```
//!
//! ## The path of a byte
//!
//! ```text
//! will_need, read_at      slots: ranges of an object that do not overlap, waiting in the order of telling
//! the thread of requests  takes the next slot that there is room for, and slots beside it   -> one GET
//! the client              pieces of the body, as they came from the socket                  -> the slots' pieces
//! read_at                 pieces -> sink, the one copy; a slot that was read frees its room
//! the cache's thread      pieces of a whole page -> a file beside, renamed; frees the slot
//! read_at, with a cache   blocks of 64 KiB of a page -> sums -> sink
//! ```
//!
//! | memory | owned by | freed |
//! |---|---|---|
//! | pieces of a body | the slot, and readers while they copy | when all bytes of the slot were read, or it was dropped |
//! | pieces between the slots of a request | the request | when it is answered |
//! | a page that is being written | the slot and the cache's thread | when its file is renamed |
//! | what came with the opening of an object | its window | with the object, or by `settled` |
//!
//! A piece is a part of a buffer of the HTTP client, of some 100 KB, which lives until its last piece is dropped; the
//! [`Budget`] counts bytes of pieces.
//!
//! ## What is fetched when
//!
//! Ranges are fetched in the order in which they were told. One request takes in what waits beside its first range, in
//! both directions, over gaps of at most [`Budget::gap_bytes`], as long as gaps are not more than what is wanted. Ranges
//! that are told one after the other are gathered for some milliseconds for that. Bytes count from when they are asked
//! for to when they are read, and never exceed [`Budget::bytes`]; an eighth of it is for readers who wait, so that they
//! wait for nobody. What nobody reads is in nobody's way: once readers are past it by as many bytes as the budget has,
//! or after two minutes, it gives way to what is wanted. What was told twice is kept for its second reader while there is
//! room.
//!
//! How many requests are under way at once, up to [`Budget::requests`], follows the store: twice as many are sent if
//! that brings an eighth more, half as many if that brings hardly less, and that is tried anew every some seconds. A
//! server on this machine gets some tens, one that is 50 ms away some hundreds.
//!
//! A request that fails is sent again: after an answer of 408, 429, or 5xx, a connection that broke, a body that is too
//! short or too long, or silence. Pauses double from 0.1 s to 10 s, between half of that and all of it, and are as long
//! as `Retry-After` says. A body that broke goes on where it ended, if the object has a strong entity tag. After
//! [`Budget::deadline`] without 64 KiB, or twelve tries, the reader gets an error. A request that takes longer than 95 of
//! 100 of its size did lately, and 0.1 s, is sent once more beside the first, and the answer that is whole first
//! counts; one of twenty requests at most. [`counters`] says how many of all these there were.
//!
//! ## The cache
//!
//! With [`set_cache`], or `TALLOW_STORE_CACHE=FOLDER` and `TALLOW_STORE_CACHE_BYTES=500G` (64 GiB if not set), pages of
//! 1 MiB that were fetched are kept in a folder, which all processes of a machine may share. Then whole pages are
//! fetched, however small the range, as the rest of them will be read, too. Each object is still asked for once when it is
//! opened, so that its entity tag is that of now; one that changed has other pages. The first pages that come with that
//! are kept as well, and the tag, so that later openings only ask whether the object is another (`If-None-Match`). One
//! without a tag is kept if it was last written more than two seconds ago, but for its first pages.
//!
//! Sums of 64 KiB are compared at each read, so that a page that is cut short, mixed up or changed is removed and
//! fetched again. Files are written beside and renamed, so a process may be killed at any moment. The files of the folder
//! have at most the given bytes together. What is used least goes first, after six hours; before that the names of pages
//! choose, and what would go at once is not written but fetched as if there were no cache. An epoch reads all pages
//! once in another order, of which a cache that keeps the last used ones finds few again; this one finds those that it
//! had.
//!
//! Of several processes that want a page at the same time one fetches it, and holds a lock on the file that it will be.
//! The others look now and then whether it is there. The lock ends with its process, however that ends, and who waited
//! for longer than a store may be silent, 30 seconds, fetches the page itself.
//!
//! ## Listings that are kept
//!
//! A [`Listing`] holds names, lengths and entity tags of a million objects in some 30 MB, in the order of their names: of 16
//! names the first is whole, and each of the others shares what it begins with with the one before it. Saved, it is text.
//! Once [`use_listing`] was told, [`kind`], [`visit_entries`] and the opening of objects below its URL look there instead
//! of asking; the first request of an object brings as many bytes as the listing says, and an object that is not as it was
//! listed is [`ErrorKind::Changed`].
//!
//! ## What can go wrong, and where it ends
//!
//! | what | where it ends |
//! |---|---|
//! | a request fails | as above; then an error of each reader who waits for it, with URL and range. The next read asks again |
//! | the object changed | [`ErrorKind::Changed`] for each later read. Bytes of two objects are never mixed |
//! | credentials are missing or expired | [`ErrorKind::Denied`] at once |
//! | the server ignores ranges | [`ErrorKind::Place`] at once |
//! | a reader is told to stop | [`ErrorKind::Stopped`] within 20 ms; what only it wanted is dropped |
//! | a page cannot be written | it is read from memory; [`Counters::pages_unwritten`] counts |
//! | a process is killed | others fetch what it was fetching; what it was writing is removed by who counts the files next |
//! | a process is stopped while it fetches a page | others fetch it after 30 seconds, or half of the deadline |
//!
//! ## The floor
//!
//! A range costs its bytes on the line, its share of a request, one copy into the row, and four uses of a lock. With a
//! cache, it costs one open, three reads, sums of the blocks that it touches, and two copies. All requests and TLS run
//! on one thread.
//!
//! On two cores, which a server on the same machine shares, 100 KB that are told ahead come 1.1 times as fast as by the
//! better of 64 and 256 plain requests at once, as ranges and as objects (medians of three rounds, 1.02 and 0.89 at
//! worst). 50 ms late ranges come 0.65 times as fast as without, and objects 0.63 times: about what as many plain
//! requests get there. With more than 512, one run was slower and one was faster. `examples/throughput.rs` measures that:
//!
//! ```text
//! cargo run --release -p tallow-store --example throughput -- 3
//! ```

#![forbid(unsafe_code)]

mod budget;
mod cache;
mod clients;
mod counters;
mod error;
mod hedge;
mod listing;
mod object;
mod persist;
mod place;
mod request;
mod runtime;
mod saved;
mod scheduler;
mod transport;
mod waiting;
mod window;

pub use self::budget::Budget;
pub use self::cache::{Cache, cache, set_cache};
pub use self::counters::{Counters, counters};
pub use self::error::{Error, ErrorKind, Result};
pub use self::listing::{Entry, Kind, kind, visit_entries};
pub use self::object::{Object, will_open};
pub use self::place::{is_url, without_secrets};
pub use self::saved::{LISTING_MARK, Listed, Listing, use_listing};
pub use self::scheduler::{budget, set_budget};
pub use self::waiting::{Waiting, Watched};
