use serde_json::Value;

/// What Hugging Face datasets writes about columns, in the metadata of Arrow and Parquet files.
#[derive(Debug, Default)]
pub struct Features(Option<Value>);

impl Features {
    /// Those that the text under the key `huggingface` tells, if there is one that tells any.
    pub fn of(text: Option<&str>) -> Self {
        let value = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        Self(value.and_then(|value| value.get("info")?.get("features").cloned()))
    }

    /// The names of the classes that the numbers of a column stand for, or those in its lists, where
    /// Hugging Face datasets wrote them.
    pub fn classes(&self, column: &str) -> Option<Vec<String>> {
        let mut feature = self.0.as_ref()?.get(column)?;
        while let Some(inner) = feature.get("feature").or_else(|| feature.get(0)) {
            feature = inner;
        }
        if feature.get("_type")?.as_str()? != "ClassLabel" {
            return None;
        }
        let names = feature.get("names")?.as_array()?.iter();
        let names: Vec<String> =
            names.map(|name| Some(name.as_str()?.to_owned())).collect::<Option<_>>()?;
        (!names.is_empty()).then_some(names)
    }

    /// The type that Hugging Face datasets gives a column, as `Image` or `ClassLabel`, where it wrote
    /// the file.
    pub fn feature(&self, column: &str) -> Option<&str> {
        self.0.as_ref()?.get(column)?.get("_type")?.as_str()
    }
}
