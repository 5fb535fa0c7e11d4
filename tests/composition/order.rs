//! Above and below the test attributes of the standard library, tokio and test-context.

use reaper::{Reaper, with_reaper};
use test_context::{TestContext, test_context};

use crate::witness::{Value, first_line};

#[with_reaper]
#[test]
fn above_test(reaper: Reaper) {
    let _value = first_line();
    drop(reaper);
}

#[test]
#[with_reaper]
fn below_test() {
    let _value = first_line();
}

#[test]
#[allow(clippy::unnecessary_wraps)]
/// With a comment between, and `#[ignore]` only in words.
// #[test]
#[with_reaper]
fn below_test_among_others() -> Result<(), String> {
    let _value = first_line();
    Ok(())
}

#[with_reaper]
#[tokio::test]
async fn above_tokio(reaper: Reaper) {
    let _value = first_line();
    tokio::task::yield_now().await;
    drop(reaper);
}

#[tokio::test]
#[with_reaper]
async fn below_tokio() {
    let _value = first_line();
    tokio::task::yield_now().await;
}

#[with_reaper]
#[tokio::test(flavor = "multi_thread")]
async fn above_multi_thread(_reaper: Reaper) {
    let _value = first_line();
    // The runtime drops this task when it shuts down: the guard is still there.
    tokio::spawn(async {
        let _value = Value::of_fixture();
        std::future::pending::<()>().await;
    });
    tokio::task::yield_now().await;
}

#[tokio::test(flavor = "multi_thread")]
#[with_reaper]
async fn below_multi_thread() {
    let _value = first_line();
    tokio::task::yield_now().await;
}

#[with_reaper]
#[tokio::test(start_paused = true)]
async fn above_paused_time(_reaper: Reaper) {
    let _value = first_line();
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
}

#[tokio::test(start_paused = true)]
#[with_reaper]
async fn below_paused_time() {
    let _value = first_line();
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
}

struct Context(Value);

impl TestContext for Context {
    fn setup() -> Self {
        Self(Value::of_fixture())
    }

    fn teardown(self) {
        drop(self.0);
    }
}

#[with_reaper]
#[test_context(Context)]
#[test]
fn above_context_fixture(_context: &mut Context, reaper: Reaper) {
    let _value = first_line();
    drop(reaper);
}

#[test_context(Context)]
#[with_reaper]
#[test]
fn below_context_fixture(_context: &mut Context) {
    let _value = first_line();
}

#[test_context(Context)]
#[test]
#[with_reaper]
fn below_all_fixture(_context: &mut Context) {
    let _value = first_line();
}

macro_rules! tests {
    ($($name:ident)*) => {$(
        #[test]
        #[with_reaper]
        fn $name() {
            let _value = first_line();
        }
    )*};
}

tests!(generated_one generated_two);
