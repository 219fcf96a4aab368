//! The simulator's interface to tests (`cpp/control.h`), made safe. The only unsafe code here.
//!
//! Invariants that the notes below name:
//!
//! - *Lock*: every function of the simulator takes the driver's lock but those for a running
//!   kernel, which are called under it. Callbacks are called under it as well, on the calling
//!   thread, and only before the function that was given them returns, but for kernels.
//! - *User*: the `user` pointer of a kernel is a leaked `Box<Kernel>`, which the simulator passes
//!   to the kernel's functions, never two at a time, and to `drop` once, last.
//! - *Launch*: a launch passed to a callback holds `count` parameters with their sizes, all alive
//!   until the callback returns.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use crate::{
    Allocation, Counts, Kernel, KernelMemory, Launch, Undeclared, Violation, ViolationKind,
};

/// `cuda_sim_launch`.
#[repr(C)]
struct RawLaunch {
    params: *const *const u8,
    param_bytes: *const usize,
    count: usize,
    grid: [u32; 3],
    block: [u32; 3],
    shared_bytes: u32,
}

/// `cuda_sim_kernel`.
#[repr(C)]
struct RawKernel {
    user: *mut c_void,
    uses: unsafe extern "C" fn(*mut c_void, *const RawLaunch, *mut c_void),
    run: unsafe extern "C" fn(*mut c_void, *const RawLaunch, *mut c_void) -> c_int,
    drop: unsafe extern "C" fn(*mut c_void),
}

type VisitViolation = unsafe extern "C" fn(*mut c_void, c_int, *const c_char);
type VisitCounter = unsafe extern "C" fn(*mut c_void, *const c_char, u64);
type VisitAllocation = unsafe extern "C" fn(*mut c_void, u64, usize, c_int);

unsafe extern "C" {
    safe fn cuda_sim_begin(seed: u64);
    safe fn cuda_sim_drain();
    fn cuda_sim_register_kernel(
        name: *const c_char,
        kernel: *const RawKernel,
        n_params: usize,
        param_bytes: *const usize,
    );
    fn cuda_sim_kernel_uses(uses: *mut c_void, address: u64, bytes: usize, is_write: c_int);
    fn cuda_sim_kernel_read(memory: *mut c_void, from: u64, to: *mut u8, bytes: usize) -> c_int;
    fn cuda_sim_kernel_write(memory: *mut c_void, to: u64, from: *const u8, bytes: usize) -> c_int;
    safe fn cuda_sim_host_use(address: u64, bytes: usize, is_write: c_int) -> c_int;
    safe fn cuda_sim_open_window(address: u64, bytes: usize, is_write: c_int) -> u64;
    safe fn cuda_sim_close_window(window: u64);
    fn cuda_sim_ignore(function: *const c_char, nth: i64);
    safe fn cuda_sim_refuse_launch(nth: u64);
    safe fn cuda_sim_refuse_module(error: c_int);
    safe fn cuda_sim_limit_memory(page_locked: c_int, bytes: u64);
    fn cuda_sim_each_violation(user: *mut c_void, visit: VisitViolation);
    fn cuda_sim_each_counter(user: *mut c_void, visit: VisitCounter);
    fn cuda_sim_each_allocation(user: *mut c_void, visit: VisitAllocation);
}

pub(crate) fn begin(seed: u64) {
    cuda_sim_begin(seed);
}

pub(crate) fn drain() {
    cuda_sim_drain();
}

pub(crate) fn limit_memory(page_locked: bool, bytes: u64) {
    cuda_sim_limit_memory(c_int::from(page_locked), bytes);
}

pub(crate) fn refuse_module(error: i32) {
    cuda_sim_refuse_module(error);
}

pub(crate) fn refuse_launch(nth: u32) {
    cuda_sim_refuse_launch(nth.into());
}

/// Whether the host may touch these bytes now.
pub(crate) fn host_use(address: usize, bytes: usize, is_write: bool) -> bool {
    cuda_sim_host_use(address as u64, bytes, c_int::from(is_write)) == 0
}

/// Opens a window of the host; its name closes it.
pub(crate) fn open_window(address: usize, bytes: usize, is_write: bool) -> u64 {
    cuda_sim_open_window(address as u64, bytes, c_int::from(is_write))
}

pub(crate) fn close_window(window: u64) {
    cuda_sim_close_window(window);
}

/// Ignores the `nth` call of a function from now, or all of them.
pub(crate) fn ignore(function: &str, nth: Option<u32>) {
    let function = c_string(function);
    // SAFETY: the string is NUL-terminated and outlives the call, which copies it.
    unsafe { cuda_sim_ignore(function.as_ptr(), nth.map_or(-1, i64::from)) }
}

pub(crate) fn violations() -> Vec<Violation> {
    unsafe extern "C" fn visit(user: *mut c_void, fault: c_int, message: *const c_char) {
        // SAFETY: `user` is the list below, borrowed by nobody else while it is visited (Lock).
        let list = unsafe { &mut *user.cast::<Vec<Violation>>() };
        // SAFETY: the simulator passes a NUL-terminated string that lives during the call.
        let message = unsafe { owned(message) };
        list.push(Violation { kind: ViolationKind::from_fault(fault), message });
    }
    let mut list = Vec::new();
    // SAFETY: `visit` takes `user` for what it is.
    unsafe { cuda_sim_each_violation((&raw mut list).cast(), visit) };
    list
}

pub(crate) fn counts() -> Counts {
    unsafe extern "C" fn visit(user: *mut c_void, name: *const c_char, value: u64) {
        // SAFETY: `user` is the object below, borrowed by nobody else while it is visited (Lock).
        let counts = unsafe { &mut *user.cast::<Counts>() };
        // SAFETY: the simulator passes a NUL-terminated string that lives during the call.
        counts.note(&unsafe { owned(name) }, value);
    }
    let mut counts = Counts::default();
    // SAFETY: `visit` takes `user` for what it is.
    unsafe { cuda_sim_each_counter((&raw mut counts).cast(), visit) };
    counts
}

pub(crate) fn allocations() -> Vec<Allocation> {
    unsafe extern "C" fn visit(user: *mut c_void, address: u64, bytes: usize, page_locked: c_int) {
        // SAFETY: `user` is the list below, borrowed by nobody else while it is visited (Lock).
        let list = unsafe { &mut *user.cast::<Vec<Allocation>>() };
        list.push(Allocation { address, bytes, page_locked: page_locked != 0 });
    }
    let mut list = Vec::new();
    // SAFETY: `visit` takes `user` for what it is.
    unsafe { cuda_sim_each_allocation((&raw mut list).cast(), visit) };
    list
}

pub(crate) fn register(kernel: Kernel) {
    let name = c_string(&kernel.name);
    let param_bytes = kernel.param_bytes.clone();
    let user = Box::into_raw(Box::new(kernel)).cast();
    let raw = RawKernel { user, uses: kernel_uses, run: kernel_run, drop: kernel_drop };
    // SAFETY: the strings and arrays live during the call, which copies them; `user` is what the
    // three functions take it for, until `kernel_drop` takes it back (User).
    unsafe {
        cuda_sim_register_kernel(name.as_ptr(), &raw, param_bytes.len(), param_bytes.as_ptr());
    }
}

/// The memory that the running kernel declared, for as long as it runs.
#[derive(Debug)]
pub(crate) struct Granted<'a> {
    memory: *mut c_void,
    launch: PhantomData<&'a RawLaunch>,
}

impl Granted<'_> {
    pub(crate) fn read(&self, from: u64, to: &mut [u8]) -> Result<(), Undeclared> {
        // SAFETY: `memory` is the launch that runs now (it lives as long as `'a`), and the
        // simulator reads only bytes that it declared, which lie in memory that it never unmaps
        // during a simulation.
        let code = unsafe { cuda_sim_kernel_read(self.memory, from, to.as_mut_ptr(), to.len()) };
        if code == 0 { Ok(()) } else { Err(Undeclared) }
    }

    pub(crate) fn write(&mut self, to: u64, from: &[u8]) -> Result<(), Undeclared> {
        // SAFETY: as in `read`.
        let code = unsafe { cuda_sim_kernel_write(self.memory, to, from.as_ptr(), from.len()) };
        if code == 0 { Ok(()) } else { Err(Undeclared) }
    }
}

unsafe extern "C" fn kernel_uses(user: *mut c_void, launch: *const RawLaunch, uses: *mut c_void) {
    // SAFETY: User.
    let kernel = unsafe { &*user.cast::<Kernel>() };
    // SAFETY: Launch.
    let launch = unsafe { launch_of(launch) };
    // A panic has been printed by then; the launch declares nothing, and so touches nothing.
    let declared = catch_unwind(AssertUnwindSafe(|| (kernel.uses)(&launch))).unwrap_or_default();
    for declared in declared {
        let is_write = c_int::from(declared.is_write);
        // SAFETY: `uses` is the list that the simulator passed for this.
        unsafe { cuda_sim_kernel_uses(uses, declared.address, declared.bytes, is_write) };
    }
}

unsafe extern "C" fn kernel_run(
    user: *mut c_void,
    launch: *const RawLaunch,
    memory: *mut c_void,
) -> c_int {
    // SAFETY: User.
    let kernel = unsafe { &*user.cast::<Kernel>() };
    // SAFETY: Launch.
    let launch = unsafe { launch_of(launch) };
    let mut memory = KernelMemory { granted: Granted { memory, launch: PhantomData } };
    // An undeclared use is a violation already: only a panic is news.
    let outcome = catch_unwind(AssertUnwindSafe(|| (kernel.run)(&launch, &mut memory)));
    c_int::from(outcome.is_err())
}

unsafe extern "C" fn kernel_drop(user: *mut c_void) {
    // SAFETY: User.
    drop(unsafe { Box::from_raw(user.cast::<Kernel>()) });
}

/// # Safety
///
/// `launch` is as in Launch, and the result is used no longer than that.
unsafe fn launch_of<'a>(launch: *const RawLaunch) -> Launch<'a> {
    // SAFETY: the caller's promise.
    let raw = unsafe { &*launch };
    let param = |index: usize| {
        // SAFETY: `index` is below `count`, and so there is a pointer and a size for it (Launch);
        // a size is never 0 (`Kernel::new`), so the pointer is not null.
        unsafe { slice::from_raw_parts(*raw.params.add(index), *raw.param_bytes.add(index)) }
    };
    Launch {
        params: (0..raw.count).map(param).collect(),
        grid: raw.grid,
        block: raw.block,
        shared_bytes: raw.shared_bytes,
    }
}

/// # Safety
///
/// `text` is a NUL-terminated string.
unsafe fn owned(text: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn c_string(text: &str) -> CString {
    CString::new(text).expect("names of functions and kernels hold no NUL")
}
