//! The API behind every transport of GraphQL: one operation in, its answers out.

use async_graphql::{Pos, Request, Response as Answer, Variables};
use futures_util::{Stream, StreamExt};
use serde::Deserialize;
use tracing::Instrument;

use crate::app::App;
use crate::graphql::documents::{check_roots, leave_out_absent};
use crate::graphql::errors::{INTERNAL, coded, complete};
use crate::graphql::{Schema, build_schema, request_data};

/// The API behind every transport of GraphQL.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) app: App,
    schema: Schema,
}

/// A request as it is sent in JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    pub(super) query: String,
    pub(super) operation_name: Option<String>,
    #[serde(default)]
    pub(super) variables: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    #[expect(dead_code, reason = "a part of the protocol that must be an object, and that nothing here reads")]
    pub(super) extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

impl From<Body> for Request {
    fn from(body: Body) -> Self {
        let variables = body.variables.map(serde_json::Value::Object).unwrap_or_default();
        let request = Self::new(body.query).variables(Variables::from_json(variables));
        match body.operation_name {
            Some(name) => request.operation_name(name),
            None => request,
        }
    }
}

impl Api {
    pub(super) fn new(app: App) -> Self {
        Self { schema: build_schema(app.clone()), app }
    }

    /// Runs one operation that answers once. It runs to its end when the client goes away, so that a mutation is never
    /// dropped half-way.
    pub(super) async fn execute(&self, request: Request, id: &str) -> Answer {
        let (schema, request) = (self.schema.clone(), self.with_data(request));
        let run = tokio::spawn(async move { schema.execute(request).await }.in_current_span());
        let answer = run.await.unwrap_or_else(|_| {
            let error = coded(INTERNAL, "Something went wrong on the server.").into_server_error(Pos::default());
            Answer::from_errors(vec![error])
        });
        finished(answer, id)
    }

    /// Runs one operation that may answer many times.
    pub(super) fn stream(&self, request: Request, id: String) -> impl Stream<Item = Answer> + Send + use<> {
        let mut request = self.with_data(request);
        let answers = match check_roots(&mut request) {
            Ok(()) => self.schema.execute_stream(request).left_stream(),
            Err(error) => futures_util::stream::iter([Answer::from_errors(vec![error])]).right_stream(),
        };
        answers.map(move |answer| finished(answer, &id))
    }

    fn with_data(&self, mut request: Request) -> Request {
        leave_out_absent(&mut request);
        request_data(request, &self.app)
    }
}

/// Every top-level error carries a code, and the id under which the log tells of the request.
fn finished(mut answer: Answer, id: &str) -> Answer {
    for error in &mut answer.errors {
        complete(error, id);
    }
    answer
}
