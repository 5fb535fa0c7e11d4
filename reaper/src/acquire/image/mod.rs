//! The images that the reaper container can run: chosen by a setting, embedded, or official.

mod choice;
mod embedded;
mod pull;

pub(crate) use self::choice::Image;
