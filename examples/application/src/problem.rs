//! What goes wrong, as an answer.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

pub enum Problem {
    NotFound,
    /// What was asked for is not possible, and why.
    Refused(String),
    Broken(String),
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND.into_response(),
            Self::Refused(why) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
            Self::Broken(why) => (StatusCode::INTERNAL_SERVER_ERROR, why).into_response(),
        }
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::RowNotFound => Self::NotFound,
            sqlx::Error::Database(error) => Self::Refused(error.message().to_owned()),
            other => Self::Broken(other.to_string()),
        }
    }
}

impl From<redis::RedisError> for Problem {
    fn from(error: redis::RedisError) -> Self {
        Self::Broken(error.to_string())
    }
}
