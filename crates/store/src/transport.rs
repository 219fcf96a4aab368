//! What answers say of whether to ask again, which the client's errors leave out.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

tokio::task_local! {
    /// What the request of this task was answered last.
    static ANSWER: Arc<Answer>;
}

/// The last answer to a request, which may be sent several times: with credentials, and after a redirect.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The status, or 0 where none came.
    status: AtomicU64,
    /// The seconds after which the server wants to be asked again.
    retry_after: AtomicU64,
}

impl Answer {
    /// Runs a request, and tells what was answered.
    pub(crate) async fn to<T>(request: impl Future<Output = T>) -> (T, Arc<Self>) {
        let answer = Arc::new(Self::default());
        let result = ANSWER.scope(answer.clone(), request).await;
        (result, answer)
    }

    /// Whether the same request may be answered another time: nothing came, or the server was in trouble or has
    /// too much to do.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.status.load(Relaxed), 0 | 408 | 429 | 500 | 502..=599)
    }

    /// How long the server wants to be left alone.
    pub(crate) fn retry_after(&self) -> Duration {
        Duration::from_secs(self.retry_after.load(Relaxed))
    }

    fn set(&self, result: &Result<HttpResponse, HttpError>) {
        let status = result.as_ref().map_or(0, |response| response.status().as_u16());
        self.status.store(status.into(), Relaxed);
        let header = result.as_ref().ok().and_then(|it| it.headers().get("retry-after"));
        // The other form, a date, is left to the backoff.
        let seconds = header.and_then(|it| it.to_str().ok()?.trim().parse().ok());
        self.retry_after.store(seconds.unwrap_or(0), Relaxed);
    }
}

/// Connects as object_store does, and listens.
#[derive(Debug)]
pub(crate) struct Listening;

impl HttpConnector for Listening {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Service(client)))
    }
}

#[derive(Debug)]
struct Service(HttpClient);

impl HttpService for Service {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let result = self.0.execute(request).await;
            let _ = ANSWER.try_with(|answer| answer.set(&result));
            result
        })
    }
}
