//! What runs when this process ends by itself, and knows how.
//!
//! By `on_exit(3)`, which glibc alone has: what `atexit(3)` runs is not told the status, and whoever runs tests in threads
//! knows of their failures only by that.

/// Has this called once with the status when the process exits, however often it is asked for; not where it is killed. Gives
/// whether it will be.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the standard library has no hook at exit")]
pub(crate) fn at_exit(then: fn(i32)) -> bool {
    use std::ffi::{c_int, c_void};
    use std::sync::OnceLock;

    static THEN: OnceLock<fn(i32)> = OnceLock::new();

    unsafe extern "C" {
        fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    }

    extern "C" fn run(status: c_int, _: *mut c_void) {
        if let Some(then) = THEN.get() {
            then(status);
        }
    }

    if THEN.set(then).is_err() {
        return true;
    }
    // SAFETY: the declaration is that of on_exit(3), and nothing is behind the argument. The function is there as long as
    // the program: no library can be unloaded that holds a guard, since the guard's thread runs its code.
    unsafe { on_exit(run, std::ptr::null_mut()) == 0 }
}

/// Nobody tells the status here.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn at_exit(_then: fn(i32)) -> bool {
    false
}
