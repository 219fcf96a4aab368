use tallow_core::{Engine, Field, Result, Row, RowDType, RowView, Schema};

/// Delivers `u16` fields as `u32`, which candle has; all values are kept.
pub(crate) struct WidenEngine {
    schema: Schema,
}

impl WidenEngine {
    /// The engine for `schema`, if it has a `u16` field.
    pub(crate) fn bind(schema: &Schema) -> Result<Option<Self>> {
        let is_wide = |field: &Field| field.dtype() != RowDType::U16;
        if schema.fields().iter().all(is_wide) {
            return Ok(None);
        }
        let widened = |field: &Field| {
            let dtype = if is_wide(field) { field.dtype() } else { RowDType::U32 };
            let widened = Field::with_dims(field.name(), dtype, field.dims().to_vec());
            widened.with_classes_of(field)
        };
        let schema = Schema::new(schema.fields().iter().map(widened).collect())?;
        Ok(Some(Self { schema }))
    }
}

impl Engine for WidenEngine {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn run(
        &self,
        _plan: &[u8],
        raw: RowView<'_>,
        row: &mut Row<'_>,
        _scratch: &mut [u8],
    ) -> Result<()> {
        for i in 0..raw.field_count() {
            let (from, mut to) = (raw.field(i), row.field(i));
            if from.dtype() != RowDType::U16 {
                to.copy_from_view(&from)?;
                continue;
            }
            to.set_shape(from.shape())?;
            let wide = to.as_mut_slice::<u32>()?;
            for (wide, &narrow) in wide.iter_mut().zip(from.as_slice::<u16>()?) {
                *wide = u32::from(narrow);
            }
        }
        Ok(())
    }
}
