//! A client for each server and bucket, made once.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{ClientConfigKey, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::{Position, Url};

use crate::place::{parse, shortened};
use crate::transport::Listening;
use crate::{Error, ErrorKind, Result};

/// An object or a prefix of objects, and the client that asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) client: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    pub(crate) scheme: ObjectStoreScheme,
    /// The URL, for errors and as the object's name.
    pub(crate) url: Arc<str>,
}

/// By server or bucket. As many as a program names, which are few.
static CLIENTS: LazyLock<Mutex<HashMap<String, Arc<dyn ObjectStore>>>> =
    LazyLock::new(Mutex::default);

impl Place {
    /// What `text` stands for.
    pub(crate) fn of(text: &str) -> Result<Self> {
        let url = parse(text)?;
        let (scheme, path) = ObjectStoreScheme::parse(&url).map_err(|error| {
            // It quotes the path, which may be a line of a damaged file.
            let what = format!("is of no store: {}", shortened(&error.to_string(), 300));
            Error::new(ErrorKind::Place, what)
        })?;
        let own = match scheme {
            ObjectStoreScheme::Http => url[..Position::BeforePath].to_owned(),
            _ => format!("{}//{}", &url[..Position::BeforePath], bucket_of(&url)),
        };
        // A client is made without waiting, so a lock that is held meanwhile holds nobody up; and a
        // thread that died with it left the map as it was.
        let mut clients = CLIENTS.lock().unwrap_or_else(|e| e.into_inner());
        let client = match clients.get(&own) {
            Some(client) => client.clone(),
            None => clients.entry(own).or_insert(client_of(&url, &scheme)?).clone(),
        };
        Ok(Self { client, path, scheme, url: url.as_str().into() })
    }

    /// The path of `other` below this one, which is empty if they are the same.
    pub(crate) fn below<'a>(&self, other: &'a Self) -> Option<&'a str> {
        let path = Some(other.path.as_ref()).filter(|_| Arc::ptr_eq(&self.client, &other.client));
        match (self.path.as_ref(), path?) {
            ("", path) => Some(path),
            (own, path) => match path.strip_prefix(own)? {
                "" => Some(""),
                below => below.strip_prefix('/'),
            },
        }
    }
}

/// Where the bucket is the first part of the path, as in `https://s3.region.amazonaws.com/bucket/key`.
fn bucket_of(url: &Url) -> &str {
    match url.scheme() {
        "https" => url.path().trim_start_matches('/').split('/').next().unwrap_or_default(),
        _ => "",
    }
}

/// How long nothing may come before a request is tried again.
const SILENCE_MAX: &str = "30 seconds";

/// How long a request may take with all its bytes. object_store gives it 30 s, in which 8 MiB do not
/// come over a slow line; it is silence that tells of a lost one.
const REQUEST_MAX: &str = "10 minutes";

/// None: [`persist`](crate::persist) asks again, which knows what servers say of when, and counts.
fn retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..Default::default() }
}

/// Whether `variable` names an endpoint without TLS, as servers on the same machine or network are.
fn is_plain(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|url| url.starts_with("http://"))
}

fn client_of(url: &Url, scheme: &ObjectStoreScheme) -> Result<Arc<dyn ObjectStore>> {
    use ClientConfigKey::{AllowHttp, ReadTimeout, Timeout};
    // Only the first of several libraries that choose one in a process can, and any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = [(ReadTimeout, SILENCE_MAX), (Timeout, REQUEST_MAX)];
    let client: object_store::Result<Arc<dyn ObjectStore>> = match scheme {
        ObjectStoreScheme::AmazonS3 => {
            let mut builder = AmazonS3Builder::from_env().with_url(url.as_str());
            for (key, value) in options {
                builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
            }
            if ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].into_iter().any(is_plain)
            {
                builder = builder.with_allow_http(true);
            }
            builder
                .with_retry(retries())
                .with_http_connector(Listening)
                .build()
                .map(|it| Arc::new(it) as _)
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            let mut builder = GoogleCloudStorageBuilder::from_env().with_url(url.as_str());
            for (key, value) in options {
                builder = builder.with_config(GoogleConfigKey::Client(key), value);
            }
            builder
                .with_retry(retries())
                .with_http_connector(Listening)
                .build()
                .map(|it| Arc::new(it) as _)
        }
        ObjectStoreScheme::MicrosoftAzure => {
            let mut builder = MicrosoftAzureBuilder::from_env().with_url(url.as_str());
            for (key, value) in options {
                builder = builder.with_config(AzureConfigKey::Client(key), value);
            }
            builder
                .with_retry(retries())
                .with_http_connector(Listening)
                .build()
                .map(|it| Arc::new(it) as _)
        }
        ObjectStoreScheme::Http => {
            let client = options.into_iter().chain([(AllowHttp, "true")]);
            let client =
                client.fold(ClientOptions::new(), |it, (key, value)| it.with_config(key, value));
            let origin = &url[..Position::BeforePath];
            let builder = HttpBuilder::new().with_url(origin).with_client_options(client);
            builder
                .with_retry(retries())
                .with_http_connector(Listening)
                .build()
                .map(|it| Arc::new(it) as _)
        }
        _ => return Err(Error::new(ErrorKind::Place, "a URL of no store that is known")),
    };
    client.map_err(|error| {
        let error = Error::of(&error);
        Error::new(ErrorKind::Place, format!("cannot set up the store: {error}"))
    })
}
