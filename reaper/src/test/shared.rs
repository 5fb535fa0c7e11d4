//! What the expansion of `#[shared]` calls.
//!
//! The expansion knows the fixture's type as it is written, which may be an alias: whether it is a result is
//! found out here, by which method there is for it. Rejected: looking for the name `Result`, which would keep
//! the error of an alias as if it were the value.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::guarded;
use crate::error::{Error, Result};
use crate::guard::Reaper;
use crate::session::SessionId;
use crate::settings::Scope;
use crate::shared::{Failure, once, once_blocking};

thread_local! {
    /// The guards of values that were made for a test which holds none: until its thread ends, as it does.
    static HELD: RefCell<BTreeMap<SessionId, Reaper>> = const { RefCell::new(BTreeMap::new()) };
}

/// The guard that a fixture was given, held for the rest of the test: a fixture that takes it and returns would
/// be the last to hold it, and what it made would go. What it makes is the session's, whatever scope the test has.
#[must_use]
pub fn under(given: &Reaper) -> Reaper {
    let for_session = given.for_session();
    if guarded::held().is_none() {
        HELD.with_borrow_mut(|held| held.insert(for_session.session().clone(), for_session.clone()));
    }
    for_session
}

/// The same for a fixture that was given none.
///
/// # Panics
///
/// Where no reaper can be had.
#[must_use]
#[track_caller]
pub fn under_any() -> Reaper {
    match guarded::held().or_else(Reaper::current) {
        Some(reaper) => under(&reaper),
        None => under(&guarded::acquire_in(Some(Scope::Session))),
    }
}

/// A key as an owned text, so that what it was made of can go into the fixture's body.
pub fn key(key: impl AsRef<str>) -> String {
    key.as_ref().to_owned()
}

/// What a fixture returns; `kind` tells how to go about it.
#[derive(Debug)]
pub struct Returns<T>(PhantomData<fn() -> T>);

/// A fixture that returns a result shares what is in it.
#[derive(Debug)]
pub struct Fallible<T, E>(PhantomData<fn() -> (T, E)>);

/// A fixture that returns anything else panics where that cannot be had.
#[derive(Debug)]
pub struct Plain<T>(PhantomData<fn() -> T>);

impl<T> Returns<T> {
    /// Stands for the type.
    #[expect(clippy::new_without_default, reason = "only the expansion makes one")]
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T, E> Returns<std::result::Result<T, E>> {
    /// It is a result.
    #[must_use]
    pub fn kind(self) -> Fallible<T, E> {
        Fallible(PhantomData)
    }
}

impl<T> Plain<T> {
    /// It is no result.
    #[must_use]
    pub fn kind(&self) -> Self {
        Self(PhantomData)
    }
}

/// What is no result is found behind it, as in [`super::Outcome`].
impl<T> Deref for Returns<T> {
    type Target = Plain<T>;

    fn deref(&self) -> &Plain<T> {
        &Plain(PhantomData)
    }
}

/// What goes to other processes as JSON. Its name is there to be read below serde's error, by who has returned the handle
/// of a container: that could not be handed on, and is removed when it is dropped.
pub trait AnAddressOrAnIdAndNotAHandle: Serialize + DeserializeOwned {}

impl<T: Serialize + DeserializeOwned> AnAddressOrAnIdAndNotAHandle for T {}

// The bounds stand on the methods: an impl's would only say that there is no such method.
impl<T, E> Fallible<T, E> {
    /// The value, made by the fixture's body if nobody has.
    pub async fn make<I, F>(self, reaper: Reaper, key: String, body: I) -> std::result::Result<T, E>
    where
        T: AnAddressOrAnIdAndNotAHandle,
        E: From<Error>,
        I: FnOnce() -> F,
        F: Future<Output = std::result::Result<T, E>>,
    {
        once(&reaper, &key, body).await.map_err(told)
    }

    /// The same without a future.
    pub fn make_blocking<I>(self, reaper: &Reaper, key: &str, body: I) -> std::result::Result<T, E>
    where
        T: AnAddressOrAnIdAndNotAHandle,
        E: From<Error>,
        I: FnOnce() -> std::result::Result<T, E>,
    {
        once_blocking(reaper, key, body).map_err(told)
    }
}

impl<T> Plain<T> {
    /// The value, made by the fixture's body if nobody has.
    #[track_caller]
    pub fn make<I, F>(self, reaper: Reaper, key: String, body: I) -> impl Future<Output = T>
    where
        T: AnAddressOrAnIdAndNotAHandle,
        I: FnOnce() -> F,
        F: Future<Output = T>,
    {
        let place = Location::caller();
        async move {
            let made = once(&reaper, &key, || async { Ok::<_, Error>(body().await) }).await;
            or_panic(made, place)
        }
    }

    /// The same without a future.
    #[track_caller]
    pub fn make_blocking<I>(self, reaper: &Reaper, key: &str, body: I) -> T
    where
        T: AnAddressOrAnIdAndNotAHandle,
        I: FnOnce() -> T,
    {
        or_panic(once_blocking(reaper, key, || Ok(body())), Location::caller())
    }
}

/// The body's error as it is, to the test for which it ran.
fn told<E: From<Error>>(failure: Failure<E>) -> E {
    match failure {
        Failure::Init(error) => error,
        Failure::Ours(error) => error.into(),
    }
}

#[track_caller]
fn or_panic<T>(made: Result<T, Failure<Error>>, place: &Location<'_>) -> T {
    match made {
        Ok(value) => value,
        Err(Failure::Init(error) | Failure::Ours(error)) => {
            panic!("no value for the shared fixture at {place}: {}", error.report())
        }
    }
}
